"""Landscapes of several axes as a triangle of maps: what each panel shows, and what is said below."""

import itertools

import numpy as np
import pytest
from noted import noted

from fastscape import Landscape
from fastscape.results import Values
from fastscape.views import sections, sections_picture

HOWS = "slice", "min", "mean"


def landscape(count: int, size: int = 5, report: dict | None = None, **options) -> Values:
    """Uneven axes, of which every second falls, and positive values without any symmetry."""
    rng = np.random.default_rng(count)
    axes = {}
    for k in range(count):
        steps = np.cumsum(rng.uniform(0.2, 0.6, size + k % 2))
        axis = np.append(0.0, steps) - steps[1]
        axes[f"x{k + 1}"] = axis[::-1] if k % 2 else axis
    shape = tuple(map(len, axes.values()))
    return Values(axes, {"loss": rng.lognormal(size=shape), "score": rng.normal(size=shape)}, report or {}, **options)


@pytest.fixture
def maps(monkeypatch):
    """Coordinates and heights of the maps that are drawn, in their order."""
    seen = []
    drawn = sections_picture.areas

    def areas(ax, grid, *others):
        seen.append(grid)
        return drawn(ax, grid, *others)

    monkeypatch.setattr(sections_picture, "areas", areas)
    return seen


def expected(found: Values, kept: tuple[int, ...], how: str, at: dict[str, float], metric: str) -> np.ndarray:
    """Values along some axes, point by point."""
    axes = [np.asarray(axis) for axis in found.axes.values()]
    loss, values = found.loss, found.measures[metric]
    made = np.empty([len(axes[k]) for k in kept])
    for point in np.ndindex(*made.shape):
        cut = [slice(None)] * len(axes)
        for k, n in zip(kept, point, strict=True):
            cut[k] = np.argsort(axes[k])[n]
        gone = [k for k in range(len(axes)) if k not in kept]
        rest, lowest = values[tuple(cut)], loss[tuple(cut)]
        if how == "slice":
            names = list(found.axes)
            rest = rest[tuple(int(np.abs(axes[k] - at.get(names[k], 0.0)).argmin()) for k in gone)]
        elif how == "min":
            rest = rest.ravel()[lowest.argmin()]
        else:
            for k in reversed(gone):
                order = np.argsort(axes[k])
                t, column = axes[k][order], np.moveaxis(rest, -1, 0)[order]
                rest = np.tensordot(np.diff(t) / 2, column[1:] + column[:-1], 1) / np.ptp(t)
        made[point] = rest
    return made


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("metric", ["loss", "score"])
def test_each_panel_shows_what_it_says(maps, how, count, metric):
    found = landscape(count, 4)
    at = {"x2": float(found.axes["x2"][1]) + 0.01} if how == "slice" else {}
    panels = sections(found, how=how, metric=metric, **({"at": at} if at else {}))
    of = list(itertools.chain.from_iterable(((row, column) for column in range(row + 1)) for row in range(count)))
    assert len(panels) == len(of)
    raised = np.log10 if metric == "loss" else np.asarray
    names, seen = list(found.axes), iter(maps)
    for (row, column), ax in zip(of, panels, strict=True):
        if row == column:
            curve = ax.lines[0]
            np.testing.assert_array_equal(curve.get_xdata(), np.sort(found.axes[names[row]]))
            wanted = raised(expected(found, (row,), how, at, metric))
            np.testing.assert_allclose(curve.get_ydata(), wanted, rtol=1e-12, atol=1e-15)
            continue
        x, y, heights = next(seen)
        np.testing.assert_array_equal(x, np.sort(found.axes[names[column]]))
        np.testing.assert_array_equal(y, np.sort(found.axes[names[row]]))
        wanted = raised(expected(found, (column, row), how, at, metric))
        np.testing.assert_allclose(heights, wanted, rtol=1e-12, atol=1e-15)


def test_all_panels_have_one_scale():
    panels = sections(landscape(3), scale=(-1.0, 1.5), levels=[-1.0, 0.0, 1.5])
    maps = [panels[k] for k in (1, 3, 4)]
    for ax in maps:
        np.testing.assert_array_equal(ax.collections[0].levels, [-1.0, 0.0, 1.5])
    assert len({panels[k].get_ylim() for k in (0, 2, 5)}) == 1
    (bar,) = (child for ax in panels[0].figure.axes for child in ax.child_axes)
    assert bar.get_xlabel() == "log10 loss"
    assert bar.get_xlim() == (-1.0, 1.5)


def test_axes_are_labelled_at_the_edges_of_the_triangle():
    report = {"labels": ["to a", "to b", "to c"]}
    panels = sections(landscape(3, report=report))
    assert [ax.get_xlabel() for ax in panels[3:]] == [f"x{k} (along to {'abc'[k - 1]})" for k in (1, 2, 3)]
    assert [ax.get_xlabel() for ax in panels[:3]] == [""] * 3
    assert [panels[k].get_ylabel() for k in (1, 3)] == ["x2 (along to b)", "x3 (along to c)"]
    assert [panels[k].get_ylabel() for k in (0, 2, 5)] == ["log10 loss"] * 3
    panels[0].figure.canvas.draw()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("slice", "at x1 = 0, x2 = 0, x3 = 0."),
        ("min", "at the point of smallest loss"),
        ("mean", "the mean over the range of the axes"),
    ],
)
def test_the_note_says_what_is_drawn(how, said):
    panels = sections(landscape(3), how=how)
    assert said in noted(panels[0])


def test_models_beside_the_slices_are_grey():
    report = {"marks": {"inside": [0.0, 0.0, 0.0], "beside": [0.0, 0.0, 0.9]}}
    axis = np.linspace(-1, 1, 11)
    loss = 1 + axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    panels = sections(Values({"x": axis, "y": axis, "z": axis}, {"loss": loss}, report))
    first = {line.get_label(): line for line in panels[1].lines if line.get_label() in ("inside", "beside")}
    assert (first["inside"].get_color(), first["beside"].get_color()) == ("white", "0.75")
    assert [text.get_text() for text in panels[1].texts] == ["inside", "beside"]
    # In the maps with z the coordinate along z is drawn.
    of_xz = {line.get_label(): line for line in panels[3].lines}
    assert of_xz["beside"].get_color() == "white"
    np.testing.assert_allclose(np.ravel(of_xz["beside"].get_data()), [0.0, 0.9])
    assert "Grey crosses" in noted(panels[0])
    panels = sections(Values({"x": axis, "y": axis, "z": axis}, {"loss": loss}, report), how="min")
    assert {line.get_color() for line in panels[1].lines} == {"white"}
    assert "Grey crosses" not in noted(panels[0])


def test_paths_are_seen_along_the_other_axes():
    points = np.array([[0.1, 0.2, 0.3], [0.0, 0.1, 0.1], [0.0, 0.0, 0.0]])
    panels = sections(landscape(3, report={"paths": [{"name": "SGD", "points": points.tolist()}]}))
    for ax, kept in ((panels[1], [0, 1]), (panels[3], [0, 2]), (panels[4], [1, 2])):
        lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
        lines += [one for one in ax.collections if len(getattr(one, "get_segments", list)()) == 2]
        assert lines
        places = [np.array(line.get_data()).T for line in ax.lines if len(line.get_xdata()) == 3]
        assert any(np.allclose(place, points[:, kept]) for place in places)
    assert "Paths are projected along the axes not shown" in noted(panels[0])


def test_holes_infinite_values_and_slices_without_a_value(maps):
    found = landscape(3)
    loss = found.loss.copy()
    loss[:, :, 2], loss[0, 0, 0] = np.nan, np.inf
    axes = dict(found.axes)
    holed = Values(axes, {"loss": loss})
    at = {"x3": float(axes["x3"][2])}
    panels = sections(holed, at=at)
    assert np.isnan(maps[0][2]).all()  # the map of x1 and x2 lies where there is no value
    said = panels[0].figure._supxlabel.get_text()
    assert f"{np.isnan(loss).sum()} of {loss.size} points have no value (left out)" in said
    corner = {name: float(axis[0]) for name, axis in axes.items()}
    sections(holed, at=corner)
    assert np.nanmax(maps[3][2]) == np.log10(loss[np.isfinite(loss)].max())
    with pytest.raises(ValueError, match="finite at no point"):
        sections(Values(axes, {"loss": np.full(loss.shape, np.nan)}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "max"}, "how must be one of 'slice', 'min', 'mean', got 'max'"),
        ({"at": {"q": 0.0}}, r"at must name axes of the landscape, x1, x2, x3, got 'q'"),
        ({"at": {"x1": 99.0}}, r"at must be within the axes, got x1=99 for the axis from"),
        ({"at": {"x1": 0.0}, "how": "min"}, "it is for how='slice'"),
        ({"filled": False, "linewidth": 0.0}, r"filled=False with linewidth=0\.0 draws nothing"),
        ({"metric": "nothing"}, "metric='nothing' is unknown"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sections(landscape(3), **options)


def test_lines_have_no_pairs_of_axes():
    with pytest.raises(
        ValueError, match="sections need two or more axes of at least 2 points each, got a landscape of 3 points"
    ):
        sections(Landscape(np.arange(3.0), None, np.ones(3)))


def test_a_landscape_of_three_axes_plots_itself_so():
    found = landscape(3)
    panels = Landscape.of(found).plot(how="min", metric="score")
    assert len(panels) == 6
    assert panels[0].get_ylabel() == "score"
