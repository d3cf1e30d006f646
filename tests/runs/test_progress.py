"""What a terminal shows of a run: what it does, how far it is, and where it ends."""

import io
import re
import sys
import warnings

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fastscape

EACH = {"loss": lambda outputs, targets: nn.functional.cross_entropy(outputs, targets, reduction="none")}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch) -> Terminal:
    """A terminal in the place of standard error; pytest would take a fixture's away again."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    return shown


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.fixture
def data():
    torch.manual_seed(1)
    return torch.randn(600, 6), torch.randint(3, (600,))


def lines_of(terminal: Terminal) -> list[str]:
    return [line.strip() for line in re.split(r"[\r\n]", terminal.getvalue()) if line.strip()]


def last_bar(terminal: Terminal) -> tuple[str, int, int]:
    """Words, points and end of the bar as it is left."""
    found = re.match(r"(.*): 100%\|.*\| (\d+)/(\d+) \[[^,]*,[^,]*\]$", lines_of(terminal)[-1])
    assert found, lines_of(terminal)[-1]
    return found[1], int(found[2]), int(found[3])


def test_a_surface_says_what_it_does_before_the_first_point(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    fastscape.surface(model, data, x=("auto", 5), y=(-1, 1, 5))
    shown = lines_of(terminal)
    wanted = ["making the directions", "reading data", "checking the model on the first samples"]
    wanted.append("measuring the range of x")
    assert [shown.index(f"surface: {said}") for said in wanted] == sorted(shown.index(f"surface: {w}") for w in wanted)
    assert any("choosing the fastest plan" in line for line in shown)
    assert last_bar(terminal) == ("surface", 25, 25)


def test_every_call_has_its_own_name(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    fastscape.line(model, data, x=(-1, 1, 5))
    assert last_bar(terminal) == ("line", 5, 5)
    assert not any("surface" in line for line in lines_of(terminal))
    fastscape.volume(model, data, axes=[(-1, 1, 2)] * 3)
    assert last_bar(terminal) == ("volume", 8, 8)


def test_a_tolerance_says_round_and_error_and_its_end_is_that_of_the_round(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    landscape = fastscape.surface(model, data, x=(-1, 1, 41), y=(-1, 1, 41), tolerance=0.002)
    found = landscape.report["refinement"]
    assert found["rounds"] > 1
    error = f"error {found['at_most']:.2g} of 0.002"
    said, points, end = last_bar(terminal)
    assert said == f"surface, round {found['rounds']}, {error}"
    assert points == end == found["evaluated"] < landscape.loss.size
    shown = "\n".join(lines_of(terminal))
    assert "surface, round 1: " in shown
    assert re.search(r"surface, round \d+, error ", shown)  # a quick round may end before the bar is drawn again


def test_data_in_parts_say_which_part_and_count_points_of_all_parts(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5), stream_samples=250)
    assert last_bar(terminal) == ("surface, part 3 of 3", 75, 75)
    shown = lines_of(terminal)
    assert any(re.match(r"surface, part 1 of 3: .*25/75 .*reading data", line) for line in shown)
    assert not any("part 0" in line for line in shown)


def test_parts_of_data_without_a_size_are_counted_as_they_come(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    batches = [(data[0][k : k + 200], data[1][k : k + 200]) for k in range(0, 600, 200)]
    fastscape.surface(model, iter(batches), x=(-1, 1, 5), y=(-1, 1, 5), stream_samples=200)
    assert last_bar(terminal) == ("surface, part 3", 75, 75)


def test_a_loader_says_how_many_parts_it_has(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    loader = DataLoader(TensorDataset(*data), batch_size=50)
    fastscape.surface(model, loader, x=(-1, 1, 5), y=(-1, 1, 5), stream_samples=300)
    assert last_bar(terminal) == ("surface, part 2 of 2", 50, 50)


def test_a_standard_error_is_said_beside_its_target_and_the_samples(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    data = tuple(part.repeat(10, *[1] * (part.dim() - 1)) for part in data)
    landscape = fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5), target_standard_error=0.02, **EACH)
    error = landscape.standard_error.max() / (landscape.loss.max() - landscape.loss.min())
    samples, parts = landscape.report["samples"], -(-landscape.report["samples"] // 256)
    assert parts > 2
    wanted = f"surface, part {parts}, error {100 * error:.2g} % of 2 %, {samples:,} samples"
    assert last_bar(terminal) == (wanted, 25 * parts, 25 * parts)


def test_a_standard_error_of_a_tolerance_is_a_bar_of_its_own(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    data = tuple(part.repeat(10, *[1] * (part.dim() - 1)) for part in data)
    axes = {"x": (-1, 1, 21), "y": (-1, 1, 21)}
    fastscape.surface(model, data, **axes, target_standard_error=0.03, tolerance=0.02, **EACH)
    shown = lines_of(terminal)
    assert any(
        re.match(r"surface, choosing the samples, part 2, error [\d.]+ % of 3 %, 512 samples: ", s) for s in shown
    )
    assert last_bar(terminal)[0].startswith("surface, round ")


def test_a_run_that_resumes_begins_where_it_was(model, data, tmp_path, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    pytest.importorskip("zarr")
    options = {"x": (-1, 1, 5), "y": (-1, 1, 5), "stream_samples": 200, "store": tmp_path / "run.zarr"}
    fastscape.surface(model, data, **options)
    terminal.truncate(0)
    fastscape.surface(model, data, **options)
    assert "0/75" not in terminal.getvalue()
    assert last_bar(terminal) == ("surface, part 3 of 3", 75, 75)


def test_warnings_begin_on_a_line_of_their_own(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)

    def show(message, *_args, **_kwargs):
        terminal.write(f"\nWARNING {message}\n" if at_a_line_of_its_own(terminal) else "MIXED")

    with torch.no_grad():
        for tensor in model.parameters():
            tensor.fill_(float("nan"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", show)
        fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5))
    assert "WARNING" in terminal.getvalue()
    assert "MIXED" not in terminal.getvalue()


def at_a_line_of_its_own(terminal: Terminal) -> bool:
    return not re.split(r"[\r\n]", terminal.getvalue())[-1].strip()


@pytest.mark.parametrize("call", [fastscape.surface, fastscape.line])
def test_nothing_is_shown_unless_there_is_a_terminal(model, data, capsys, call):
    call(model, data, x=(-1, 1, 5))
    assert capsys.readouterr().err == ""


def test_nothing_is_shown_when_it_is_not_wanted(model, data, monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    fastscape.surface(model, data, x=("auto", 5), y=(-1, 1, 5), progress=False)
    assert terminal.getvalue() == ""
