"""A surface is shown while it is being computed."""

import io
import sys
import types
from unittest import mock

import numpy as np
import pytest
from matplotlib import colormaps, image

import fastscape
import stored_runs
from fastscape import Landscape
from fastscape.views.live import live, terminal_map

GRID = {"x": (-1, 1, 24), "y": (-1, 1, 24)}
AXIS = np.arange(4.0)
TRUECOLOR = "\x1b[0;38;2;{};48;2;{}m\u2580"


def test_a_function_gets_the_surface_after_every_round():
    seen = []
    landscape = stored_runs.surface(None, **GRID, tolerance=0.005, progress=seen.append)
    assert len(seen) == landscape.report["refinement"]["rounds"] >= 2
    assert [one.evaluated.sum() for one in seen] == sorted({one.evaluated.sum() for one in seen})
    assert np.array_equal(seen[-1].evaluated, landscape.evaluated)
    whole = stored_runs.surface(None, **GRID)
    for one in seen:
        np.testing.assert_allclose(one.loss[one.evaluated], whole.loss[one.evaluated], rtol=1e-6)
        assert np.abs(one.loss - whole.loss).max() < 0.2 * np.ptp(whole.loss)
        assert one.report["refinement"]["evaluated"] == one.evaluated.sum()
        assert one.report["weights_hash"] == whole.report["weights_hash"]


def test_what_a_function_writes_to_is_not_the_report():
    def spoil(landscape):
        for value in landscape.report.values():
            if isinstance(value, dict | list):
                value.clear()

    found = stored_runs.surface(None, **GRID, tolerance=0.005, progress=spoil)
    assert found.report["moving"] == stored_runs.surface(None, **GRID).report["moving"] != []


def test_a_tolerance_of_zero_shows_coarse_points_first():
    seen = []
    landscape = stored_runs.surface(None, **GRID, tolerance=0, progress=seen.append)
    assert seen[0].evaluated.mean() < 0.5
    assert seen[-1].evaluated.all()
    np.testing.assert_array_equal(seen[-1].loss, landscape.loss)


def test_an_error_of_the_function_is_raised_and_the_points_are_kept(tmp_path):
    with pytest.raises(ZeroDivisionError):
        stored_runs.surface(tmp_path / "run.zarr", **GRID, tolerance=0.005, progress=lambda landscape: 1 / 0)
    assert stored_runs.surface(tmp_path / "run.zarr", **GRID, tolerance=0.005).report["points_before"] >= 56


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"progress": "live"}, ValueError, "write tolerance=0.005 too, or 0 for every point"),
        ({"progress": print}, ValueError, "write tolerance=0.005 too, or 0 for every point"),
        ({"progress": "no", "tolerance": 0.01}, TypeError, "progress must be True, False, 'live' or a function, got"),
        ({"progress": None}, TypeError, "progress must be True, False, 'live' or a function, got"),
    ],
)
def test_what_cannot_be_shown_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        stored_runs.surface(None, **options)


def test_a_line_has_no_rounds():
    with pytest.raises(
        TypeError, match="progress must be True or False for a line, which has no rounds to show, got 'live'"
    ):
        fastscape.line(*stored_runs.problem(), progress="live")


def test_a_map_has_two_points_in_a_letter_x_to_the_right_and_y_upwards(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    loss = 10.0 ** (AXIS[:, None] + 4 * AXIS)  # rises most along y
    lines = terminal_map(Landscape(AXIS, AXIS, loss))
    assert len(lines) == 2

    def ink(height):
        return ";".join(str(c) for c in colormaps["viridis"](height / 15, bytes=True)[:3])

    assert lines[0].startswith(TRUECOLOR.format(ink(12), ink(8)))
    assert lines[1].endswith(TRUECOLOR.format(ink(7), ink(3)) + "\x1b[0m")


def test_a_map_leaves_out_what_has_no_value_and_thins_large_grids(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    loss = np.ones((300, 301))
    loss[:150] = np.nan
    lines = terminal_map(Landscape(np.arange(300.0), np.arange(301.0), loss))
    assert len(lines) == 24
    assert all(line.startswith("\x1b[0m " * 24) and line.count("\u2580") == 24 for line in lines)
    assert terminal_map(Landscape(AXIS, AXIS, np.full((4, 4), np.nan))) == ["no point has a finite loss yet"]
    odd = terminal_map(Landscape(AXIS, AXIS[:3], np.ones((4, 3))))
    assert odd[1].count("\u2580") == 4
    assert "48;2" not in odd[1]


def test_a_map_without_colours_has_letters(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    loss = AXIS[:, None] + 4 * AXIS - 1
    loss[1, 3] = np.nan
    assert terminal_map(Landscape(AXIS, AXIS, loss)) == ["% @@", "+**#", ":-==", "  .:"]


class Tty(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_map_in_the_place_of_the_other(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Tty())
    landscape = stored_runs.surface(None, **GRID, tolerance=0.005, progress="live")
    written = sys.stderr.getvalue()
    rounds = landscape.report["refinement"]["rounds"]
    assert written.count("\x1b[13F\x1b[J") == rounds - 1  # twelve lines and what is said below them
    assert f"round {rounds}: {landscape.evaluated.sum()} of 576 points, rms " in written


@pytest.mark.parametrize(("columns", "rows", "letters"), [(80, 24, 40), (30, 50, 29), (200, 60, 48)])
def test_a_map_fits_its_terminal(monkeypatch, columns, rows, letters):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", Tty())
    monkeypatch.setattr("shutil.get_terminal_size", lambda: (columns, rows))
    axis = np.linspace(-1, 1, 51)
    facts = {"rounds": 1, "evaluated": 16, "rms": 0.0, "tolerance": 0.1}
    live()(Landscape(axis, axis, np.ones((51, 51)), report={"refinement": facts}))
    lines = sys.stderr.getvalue().splitlines()
    assert lines[0].count("\u2580") == letters
    assert len(lines) + 1 < rows  # and the progress bar
    assert len(lines[-1]) < columns


def test_elsewhere_nothing_is_written(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    stored_runs.surface(None, **GRID, tolerance=0.005, progress="live")
    assert not sys.stderr.getvalue()


def test_a_notebook_shows_one_picture_and_exchanges_it(monkeypatch):
    shown = []

    class Handle:
        def update(self, content):
            shown.append(("update", content))

    def display(content, display_id):
        shown.append(("display", content))
        return Handle()

    notebook = types.ModuleType("IPython")
    notebook.version_info = (9, 0)
    notebook.get_ipython = mock.MagicMock
    notebook.display = types.ModuleType("IPython.display")
    notebook.display.display, notebook.display.Image = display, lambda content, format: content
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", notebook.display)
    landscape = stored_runs.surface(None, **GRID, tolerance=0.005, progress="live")
    assert [kind for kind, _ in shown] == ["display"] + ["update"] * (landscape.report["refinement"]["rounds"] - 1)
    picture = image.imread(io.BytesIO(shown[-1][1]))
    assert picture.shape[0] > 300
    assert np.ptp(picture[..., :3]) > 0.5


@pytest.mark.parametrize("loss", [np.full((4, 4), np.nan), np.ones((4, 1))])
def test_a_notebook_waits_until_there_is_something_to_draw(loss):
    landscape = Landscape(AXIS, AXIS[: loss.shape[1]], loss)
    assert fastscape.views.live._Notebook()(landscape) is None


def test_a_shell_without_a_notebook_is_a_terminal(monkeypatch):
    shell = types.ModuleType("IPython")
    shell.get_ipython = lambda: types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setattr(sys, "stderr", Tty())
    live()(Landscape(AXIS, AXIS, np.ones((4, 4)), report={"refinement": {
        "rounds": 1, "evaluated": 16, "rms": 0.0, "tolerance": 0.1}}))  # fmt: skip
    assert "round 1: 16 of 16 points" in sys.stderr.getvalue()


def test_a_map_from_end_to_end_of_float64(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    most = np.finfo(np.float64).max
    assert terminal_map(Landscape(AXIS[:2], AXIS[:2], np.array([[-most, 0.0], [5e-324, most]]))) == ["+@", " +"]
