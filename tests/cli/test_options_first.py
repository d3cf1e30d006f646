"""Every option of every command is checked before a checkpoint, data or a landscape are read."""

from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from commands import fails, run
from fastscape import Landscape
from fastscape.cli.app import app
from fastscape.cli.rehearsal import rehearsed
from fastscape.runs import CUBE

COMMANDS = {name: one for name, one in get_command(app).commands.items() if name not in ("bench", "info", "demo")}

TRAINED = {
    "surface": ["a.safetensors"],
    "line": ["a.safetensors"],
    "volume": ["a.safetensors"],
    "trajectory": ["run"],
    "spectrum": ["a.safetensors"],
    "sharpness": ["a.safetensors"],
    "basin": ["a.safetensors"],
    "barrier": ["a.safetensors", "b.safetensors"],
    "connect": ["a.safetensors", "b.safetensors"],
    "align": ["a.safetensors", "--to", "b.safetensors"],
}
ARGUMENTS = {
    **TRAINED,
    "train": ["mlp", "digits"],
    "plot": ["a.npz"],
    "explore": ["a.npz"],
    "topology": ["a.npz"],
    "export": ["a.npz", "a.csv"],
}
# A bad value by the name of an option; of a number -7, and of a choice a word.
BAD = {
    "--out": ["file.xyz"],
    "--x": ["1", "0", "3"],
    "--y": ["0", "1", "0"],
    "--reach": ["0"],
    "--split": ["validation"],
    "--root": ["a.npz"],
    "--store": ["a.npz"],
    "--plan": ["nowhere.json"],
    "--data": ["nowhere:data"],
    "--weights": ["nowhere.pt"],
    "--to": ["nowhere.safetensors"],
    "--loss": ["nowhere:loss"],
    "--objective": ["nowhere:objective"],
    "--metric": ["nowhere:metric"],
    "--device": ["banana"],
    "--timeout": ["nan"],
    "--optimizer": ["magic"],
    "--dimensions": ["-1"],
    "--level": ["nan"],
    "--seed": ["-1"],
    "--points": ["0"],
}
# Which values are good is known of these when the file is read, or none is bad.
FREE = {
    ("plot", "--metric"), ("plot", "--clip"), ("plot", "--start"), ("topology", "--measure"), ("basin", "--measure"),
    ("train", "--record"),
}  # fmt: skip
TOO = {  # without which the option itself is refused
    "--tolerance-scale": ["--tolerance", "0.1"],
    "--topology": ["--tolerance", "0.1"],
    "--draw-samples": ["--tolerance", "0.1"],
    "--optimizer": ["--start", "0", "0"],
    "--steps": ["--start", "0", "0"],
    "--lr": ["--start", "0", "0"],
}


def values(command):
    """The options of a command that take a value, and a bad one for each."""
    for parameter in COMMANDS[command].params:
        (name,) = parameter.opts[:1]
        if not name.startswith("--") or getattr(parameter, "is_flag", False) or name == "--help":
            continue
        if (command, name) in FREE:
            continue
        choices = (parameter.metavar or "").startswith("[")
        yield name, ["nonsense"] if choices else BAD.get(name, ["-7"])


CASES = [(command, name, bad) for command in COMMANDS for name, bad in values(command)]


@pytest.fixture
def _unreadable(monkeypatch, tmp_path):
    """Files that are there and must not be read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.safetensors", "b.safetensors", "a.npz", "run/model.safetensors"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()

    def read(*arguments, **options):
        raise AssertionError("something was read")

    for place in (
        "fastscape.cli.checkpoints.load_checkpoint",
        "fastscape.zoo.datasets.load",
        "fastscape.cli.landscape_files.Landscape.load",
    ):
        monkeypatch.setattr(place, read)


@pytest.mark.usefixtures("_unreadable")
@pytest.mark.parametrize(("command", "option", "bad"), CASES, ids=[f"{c}{o}" for c, o, _ in CASES])
def test_a_bad_value_is_refused_before_anything_is_read(command, option, bad, capsys, monkeypatch):
    needed = TOO.get(option, []) if command in ("surface", "volume", "trajectory", "plot") else []
    given = [part for part in ARGUMENTS[command] if not (option == "--to" and part in ("--to", "b.safetensors"))]
    error = fails(capsys, monkeypatch, command, *given, *needed, option, *bad)
    assert "something was read" not in error
    assert "AssertionError" not in error
    assert not list(Path.cwd().glob("landscape*"))


@pytest.mark.usefixtures("_unreadable")
@pytest.mark.parametrize("command", ARGUMENTS)
def test_good_options_lead_to_the_file(command, capsys, monkeypatch):
    assert "something was read" in fails(capsys, monkeypatch, command, *ARGUMENTS[command])


@pytest.mark.usefixtures("_unreadable")
@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        ("surface", ["--tolerance", "0.1", "--repeats", "2"], "repeats"),
        ("surface", ["--topology", "0.1"], "tolerance"),
        ("surface", ["--live"], "--live needs --tolerance"),
        ("volume", ["--scheme", "bilinear"], "bilinear"),
        ("trajectory", ["--repeats", "2"], "repeats"),
        ("trajectory", ["--low-memory"], "low_memory"),
        ("connect", ["--spring", "2"], "spring"),
        ("connect", ["--steps", "2", "--epochs", "2"], "epochs and steps"),
        ("line", ["--to", "b.safetensors", "--low-memory"], "low_memory"),
        ("volume", ["--dimensions", "9"], "got 21^9; write --points 10 or fewer, or fewer --dimensions"),
        ("volume", ["--dimensions", "31", "--points", "1"], "--dimensions must be at most 30, got 31"),
    ],
)
def test_options_that_exclude_each_other_are_refused_before_anything_is_read(
    command, options, message, capsys, monkeypatch
):
    error = fails(capsys, monkeypatch, command, *ARGUMENTS[command], *options)
    assert message in error
    assert "something was read" not in error


@pytest.mark.usefixtures("_unreadable")
def test_choices_are_named_by_the_option(capsys, monkeypatch):
    error = fails(capsys, monkeypatch, "surface", "a.safetensors", "--scheme", "spiral")
    assert error == "fastscape: --scheme must be plane, linear2x, barycentric or bilinear, got spiral\n"
    error = fails(capsys, monkeypatch, "sharpness", "a.safetensors", "--measures", "trace", "--measures", "x" * 900)
    assert "--measures must be worst_case, " in error
    assert len(error) < 600


def test_a_rehearsal_reads_nothing_warns_of_nothing_and_draws_nothing(recwarn):
    import torch

    from fastscape import api

    before = torch.get_rng_state()
    rehearsed(api.surface, x=CUBE, tolerance=0.1, store="store.zarr")
    rehearsed(api.barrier, others=("b",))
    assert torch.equal(torch.get_rng_state(), before)
    assert not recwarn.list
    assert not Path("store.zarr").exists()
    with pytest.raises(ValueError, match="tolerance"):
        rehearsed(api.surface, tolerance=2.0)


@pytest.mark.parametrize("command", ["plot", "explore", "topology", "export"])
def test_what_is_no_landscape(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    more = ["a.csv"] if command == "export" else []
    error = fails(capsys, monkeypatch, command, "model.safetensors", *more)
    assert "got the checkpoint model.safetensors; compute its landscape first: fastscape surface model.saf" in error
    error = fails(capsys, monkeypatch, command, "last.pt", *more)
    assert "fastscape surface package.module:make_model --data package.module:make_data --weights last.pt" in error
    assert "must be a landscape, got nope.npz, which does not exist" in fails(
        capsys, monkeypatch, command, "nope.npz", *more
    )


def test_what_is_not_there(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("nope.npz", "nope.safetensors"):
        assert f"got {name}, which does not exist" in fails(capsys, monkeypatch, "info", name)
    with pytest.raises(FileNotFoundError, match=r"^No such file: nope.npz; give a landscape that save wrote"):
        Landscape.load("nope.npz")
    with pytest.raises(FileNotFoundError, match=r"^No such file: nope.csv"):
        Landscape.load("nope.csv")


def test_pictures_have_the_formats_that_the_help_names(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = Landscape(np.arange(3.0), None, np.ones(3)).save("line.npz")
    assert "--out must end in .png, .pdf, .svg, .eps or .jpg, got a.gif" in fails(
        capsys, monkeypatch, "plot", line, "--out", "a.gif"
    )
    assert ".png, .pdf, .svg, .eps or .jpg" in " ".join(run("plot", "--help").replace("│", " ").split())
    for ending in ("pdf", "svg"):
        run("plot", line, "--out", f"a.{ending}")
        assert Path(f"a.{ending}").stat().st_size > 1000
