"""The help of every command: its panels, its width, and where choices break."""

import re

import pytest
from typer.main import get_command

from commands import fails, run
from fastscape.cli import app as program
from fastscape.cli.help_panels import LEFT
from fastscape.cli.option_texts import INPUT, OUTPUT, PANELS, shown
from fastscape.cli.values import either
from fastscape.curvature import MEASURES, MatrixName
from fastscape.paths import SHAPES
from fastscape.results import options_of
from fastscape.runs import ConnectOptions, SharpnessOptions, SpectrumOptions, SurfaceOptions

GROUP = get_command(program.app)
COMMANDS = [name for name in GROUP.commands if name != "bench"]


def screen(monkeypatch, width, *command):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERMINAL_WIDTH", str(width))
    return run(*command, "--help").splitlines()


def titles(lines):
    return [line.split()[1] for line in lines if line.startswith("╭")]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_screen_fits_and_has_its_panels(command, width, monkeypatch):
    lines = screen(monkeypatch, width, command)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert not re.search(r"<\w+>|bool", text)
    found = titles(lines)
    assert found == [title for title in PANELS if title in found]  # known ones, in their order
    assert found[-1] == OUTPUT
    if command != "demo":
        assert found[0] == INPUT
    for parameter in GROUP.commands[command].params:  # nothing is left out
        assert any(name in text for name in [*parameter.opts, *parameter.secondary_opts, str(parameter.metavar)])


def test_the_longest_help_is_far_below_a_hundred_lines(monkeypatch):
    assert len(screen(monkeypatch, 80, "surface")) < 90
    wanted = ["Input", "Measures", "Grid", "Directions", "Accuracy", "Running", "Output"]
    assert titles(screen(monkeypatch, 80, "surface")) == wanted


@pytest.mark.parametrize("command", COMMANDS)
def test_choices_break_behind_a_bar_and_are_all_there(command, monkeypatch):
    lines = screen(monkeypatch, 80, command)
    joined = re.sub(r"\|\s*│\n│\s+", "|", "\n".join(lines))
    for parameter in GROUP.commands[command].params:
        if (parameter.metavar or "").startswith("["):
            assert parameter.metavar in joined


def test_names_and_types_leave_two_thirds_to_the_meaning(monkeypatch):
    assert LEFT < 80 / 3
    (line,) = (line for line in screen(monkeypatch, 80, "surface") if "--x START STOP COUNT" in line)
    assert line.index("First axis") == LEFT + 2
    lines = screen(monkeypatch, 80, "surface")
    (at,) = (i for i, line in enumerate(lines) if "--target-standard-error X" in line)
    assert lines[at + 1].startswith("│ " + " " * LEFT + "Read")  # a longer name has a line of its own


def test_a_switch_is_shown_as_it_is_written(monkeypatch):
    surface, connect = ("\n".join(screen(monkeypatch, 80, name)) for name in ("surface", "connect"))
    assert "│ --no-pictures " in surface
    assert "│ --low-memory " in surface
    assert "--no-low-memory" not in surface
    assert "│ --no-train-mode " in connect
    assert "│ --log, --linear " in "\n".join(screen(monkeypatch, 80, "plot"))
    assert "│ --log, --no-log " in "\n".join(screen(monkeypatch, 80, "topology"))


def test_the_first_screen_names_the_commands_in_panels(monkeypatch):
    lines = screen(monkeypatch, 80)
    assert max(map(len, lines)) <= 80
    assert titles(lines) == ["Options", "Start", "Landscapes", "One", "Between", "Files"]
    text = "\n".join(lines)
    assert all(f"│ {name} " in text for name in COMMANDS)
    assert "Show tracebacks." in text


def test_the_suite_of_benchmarks_is_hidden_where_it_is_not(monkeypatch, capsys):
    assert not GROUP.commands["bench"].hidden  # a checkout
    monkeypatch.setattr(GROUP.commands["bench"], "hidden", True)
    with GROUP.make_context("fastscape", [], resilient_parsing=True) as context:
        GROUP.format_help(context, context.make_formatter())
    assert "│ bench " not in capsys.readouterr().out
    monkeypatch.setattr("importlib.import_module", lambda name: (_ for _ in ()).throw(ImportError("none")))
    assert "bench must run in a checkout of fastscape" in fails(capsys, monkeypatch, "bench")


@pytest.mark.parametrize("kind", [SurfaceOptions, ConnectOptions, SharpnessOptions, SpectrumOptions])
def test_every_option_of_the_library_has_a_text_for_the_terminal(kind):
    for name, (_, option) in options_of(kind).items():
        if option.command is not None:
            assert shown(kind, name).text.endswith((".", "resumes. Needs zarr."))


def test_choices_are_those_of_the_library():
    assert shown(ConnectOptions, "curve").choices == tuple(SHAPES)
    assert shown(SharpnessOptions, "measures").choices == tuple(MEASURES)
    assert shown(SpectrumOptions, "matrix").choices == MatrixName.__args__
    assert either(["a", "b"]) == "a or b"


def test_defaults_that_are_numbers_or_names_are_the_librarys(monkeypatch):
    for kind, name, default in (
        (SharpnessOptions, "rho", "0.05"),
        (SpectrumOptions, "tolerance", "1e-5"),
        (SurfaceOptions, "timeout", "300"),
        (ConnectOptions, "curve", "bezier"),
    ):
        assert shown(kind, name).text.endswith(f" Default: {default}.")
    assert "Default" not in shown(ConnectOptions, "store").text + shown(SurfaceOptions, "low_memory").text
    said = " ".join(" ".join(screen(monkeypatch, 80, "sharpness")).replace("│", " ").split())
    assert "Samples per group of m_sharpness. Default: 64." in said


def test_a_trajectory_says_its_own_defaults(monkeypatch):
    said = " ".join(" ".join(screen(monkeypatch, 80, "trajectory")).replace("│", " ").split())
    for text in ("along the paths, with a margin", "range. Default: 0.01.", "Tensors that move. Default: all."):
        assert text in said


def test_lines_below_the_panels(monkeypatch):
    *_, example, more = filter(None, map(str.strip, screen(monkeypatch, 80, "basin")))
    assert example == "Example: fastscape basin model.safetensors --measure accuracy --limit 2"
    assert more == "More on each option, in Python: help(fastscape.basin_radius)"
