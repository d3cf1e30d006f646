"""Pictures: what they draw, what they leave alone, and what they refuse."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from mpl_toolkits.mplot3d import Axes3D
from noted import noted, notes

from fastscape import Landscape

X, Y = np.linspace(-1, 1, 7), np.linspace(-0.5, 1, 5)
BOWL = 0.1 + X[:, None] ** 2 + 2 * Y[None, :] ** 2
LANDSCAPE = Landscape(X, Y, BOWL, {"accuracy": 1 - BOWL / 4})

DRAW = [Landscape.contour, Landscape.surface3d]


@pytest.mark.parametrize("draw", DRAW)
def test_axes_are_labelled_and_the_style_is_left_alone(draw):
    before = mpl.rcParams.copy()
    ax = draw(LANDSCAPE)
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == "x (along direction 1)"
    assert ax.get_ylabel() == "y (along direction 2)"
    bars = [other for other in ax.figure.axes if other is not ax]
    assert [bar.get_ylabel() for bar in bars] == ["log10 loss"]
    assert mpl.rcParams == before


@pytest.mark.parametrize("draw", DRAW)
def test_labels_are_inside_the_picture(draw):
    ax = draw(LANDSCAPE)
    ax.figure.canvas.draw()
    box = ax.figure.bbox
    for text in (ax.xaxis.label, ax.yaxis.label, *(bar.yaxis.label for bar in ax.figure.axes[1:])):
        extent = text.get_window_extent()
        assert box.x0 <= extent.x0 < extent.x1 <= box.x1
        assert box.y0 <= extent.y0 < extent.y1 <= box.y1


def test_x_is_drawn_as_x(monkeypatch):
    """A surface that rises along x only must be drawn so."""
    slope = Landscape(X, Y, np.broadcast_to(X[:, None], (7, 5)))
    contour = slope.contour(log=False)
    for path in contour.collections[0].get_paths():
        for polygon in path.to_polygons():
            assert np.ptp(polygon[:, 1]) == pytest.approx(1.5)  # every band spans y and is narrow in x
            assert np.ptp(polygon[:, 0]) < 0.5
    drawn, draw = [], Axes3D.plot_surface

    def noted(self, *xyz, **options):
        drawn.append(np.broadcast_arrays(*xyz))
        return draw(self, *xyz, **options)

    monkeypatch.setattr(Axes3D, "plot_surface", noted)
    slope.surface3d(log=False)
    for x, y, z in drawn:
        np.testing.assert_array_equal(z, x)
        assert {y.min(), y.max()} == {-0.5, 1.0}
    assert drawn


@pytest.mark.parametrize("draw", DRAW)
def test_the_centre_is_marked_where_the_axes_hold_it(draw):
    marks = [line for line in draw(Landscape(X, X, X[:, None] ** 2 + X**2)).lines if line.get_label() == "the model"]
    assert len(marks) == 1
    away = Landscape(X + 5, Y, BOWL)
    assert not [line for line in draw(away).lines if line.get_label() == "the model"]


def test_the_pin_stands_only_where_its_height_is_known():
    even = np.linspace(-1, 1, 4)
    landscape = Landscape(even, even, 1 + even[:, None] ** 2 + even**2)
    assert not landscape.surface3d().lines
    assert [line.get_label() for line in landscape.contour().lines] == ["the model"]


@pytest.mark.parametrize("beside", [False, True])
def test_landscapes_in_the_same_axes_share_one_note(beside):
    x, loss = np.linspace(0, 1, 5), np.linspace(1, 2, 5)
    half = Landscape(x, None, np.where(x < 0.5, np.nan, loss))
    more = Landscape(x, None, np.where(x < 0.9, np.nan, loss))
    ax = half.plot(ax=plt.subplots(1, 2)[1][0] if beside else None)
    (alone,) = noted(ax).split("\n")
    for _ in range(2):
        half.plot(ax=ax)
        Landscape(x, None, loss).plot(ax=ax)  # without a note, it takes none away
    assert noted(ax) == alone
    more.plot(ax=ax)
    assert len(notes(ax)) == 1
    first, second = noted(ax).split("\n")
    assert (first, first != second) == (alone, True)


@pytest.mark.parametrize("draw", DRAW)
def test_given_axes_are_drawn_on(draw):
    figure = plt.figure()
    mine = figure.add_subplot(projection="3d") if draw is Landscape.surface3d else figure.add_subplot()
    assert draw(LANDSCAPE, ax=mine) is mine
    assert draw(LANDSCAPE, metric="accuracy", cmap="plasma").figure is not figure


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize(
    "loss",
    [
        np.where(BOWL > 2, np.nan, BOWL),
        np.where(BOWL > 2, np.inf, BOWL),
        np.where(BOWL > 2, -np.inf, BOWL),
        np.where(BOWL > 2, 1e300, BOWL),
        np.where(BOWL < 0.2, 0.0, BOWL),
        np.full_like(BOWL, 3.0),
        np.zeros_like(BOWL),
        -BOWL,
    ],
    ids=["nan", "inf", "-inf", "huge", "zero", "constant", "all zero", "negative"],
)
def test_odd_values_draw_without_a_warning(draw, loss):
    landscape = Landscape(X, Y, loss)
    draw(landscape).figure.canvas.draw()
    assert np.array_equal(landscape.loss, loss, equal_nan=True)


@pytest.mark.parametrize("draw", DRAW)
def test_two_by_two_points_draw(draw):
    draw(Landscape(X[:2], Y[:2], BOWL[:2, :2])).figure.canvas.draw()


@pytest.mark.parametrize("levels", [0, True, "many", [0.5], [2.0, 1.0], [0.0, np.nan], {}])
def test_levels_that_are_none_are_refused(levels):
    with pytest.raises(
        ValueError, match="levels must be a number of at least 1, or two or more increasing values, got"
    ):
        LANDSCAPE.contour(levels=levels)


def test_levels_of_ones_own():
    ax = LANDSCAPE.contour(levels=[0.2, 0.5, 1.0], log=False)
    assert ax.collections[0].levels.tolist() == [0.2, 0.5, 1.0]
    assert ax.collections[0].extend == "both"  # what lies beyond is coloured, too
    assert LANDSCAPE.contour(levels=np.int64(5)).collections


@pytest.mark.parametrize("draw", ["contour", "surface3d"])
def test_paths_are_walks_or_points(draw):
    points = np.array([[-0.8, 0.8], [0.0, 0.5], [0.0, 0.0]])
    for given in (points, [points], [points.tolist()]):
        (line,) = (line for line in getattr(LANDSCAPE, draw)(paths=given).lines if line.get_label() == "path")
        drawn = line.get_data() if draw == "contour" else line.get_data_3d()[:2]
        np.testing.assert_array_equal(np.transpose(drawn), points)
    for odd in ([[0.0, 0.5]], [np.zeros((2, 3))], ["training"], [3]):
        with pytest.raises(ValueError, match=r"a path must be a walk, as descend returns it, or points \[n, 2\], got"):
            getattr(LANDSCAPE, draw)(paths=odd)


@pytest.mark.parametrize("draw", DRAW)
def test_a_line_is_no_surface(draw):
    with pytest.raises(
        ValueError, match=r"a surface to draw needs at least 2 x 2 points, got a landscape of 7 x 1 points \(plot"
    ):
        draw(Landscape(X, Y[:1], BOWL[:, :1]))


@pytest.mark.parametrize("draw", DRAW)
def test_paths_are_drawn_where_they_went(draw):
    path = LANDSCAPE.descend((0.9, -0.4), steps=7)
    lines = [line for line in draw(LANDSCAPE, paths=[path]).lines if line.get_label() == "nadam"]
    assert len(lines) == 1
    if draw is Landscape.contour:
        np.testing.assert_array_equal(lines[0].get_xydata(), np.stack([path.x, path.y], 1))
    else:
        x, y, z = lines[0].get_data_3d()
        np.testing.assert_array_equal((x, y), (path.x, path.y))
        np.testing.assert_allclose(z, path.height)


def test_a_path_lies_on_the_surface_that_is_drawn():
    """A walk on the logarithm, drawn on the loss."""
    path = LANDSCAPE.descend((X[1], Y[1]), steps=0)
    line = next(line for line in LANDSCAPE.surface3d(paths=[path], log=False).lines if line.get_label() == "nadam")
    np.testing.assert_allclose(line.get_data_3d()[2], [BOWL[1, 1]])


def test_the_contours_lie_below_the_surface():
    with_floor, without = LANDSCAPE.surface3d(), LANDSCAPE.surface3d(floor=False)
    assert len(with_floor.collections) == len(without.collections) + 1
    low = np.log10(BOWL).min()
    assert with_floor.get_zlim()[0] < low - 0.1
    assert without.get_zlim()[0] > low - 0.1


def test_contour_lines_without_areas_and_with_labels():
    ax = LANDSCAPE.contour(filled=False, linewidth=1, labels=True, levels=5)
    assert len(ax.collections) == 1
    labels = {text.get_text() for text in ax.texts} - {"the model"}
    assert labels
    assert {text.get_text() for text in LANDSCAPE.contour(levels=5).texts} == {"the model"}
    before = plt.get_fignums()
    with pytest.raises(ValueError, match="filled=False with linewidth=0 draws nothing; write linewidth=1"):
        LANDSCAPE.contour(filled=False, linewidth=0)
    assert plt.get_fignums() == before


@pytest.mark.parametrize("draw", DRAW)
def test_points_without_a_value_are_noted(draw):
    loss = BOWL.copy()
    loss[0, 0], loss[0, 1], loss[6, 4] = np.nan, np.nan, np.inf
    note = noted(draw(Landscape(X, Y, loss)))
    assert "2 of 35 points have no value" in note
    assert "1 of 35 points have an infinite value" in note
    assert not noted(draw(LANDSCAPE))


LINE = Landscape(X, None, X**2 + 0.5, {"accuracy": 1 - X**2, "margin": 3 * X})


def test_a_line_with_several_measures_has_an_axis_on_the_right():
    ax = LINE.plot(metric=["loss", "accuracy", "margin"], log=True, color="black")
    (beside,) = [other for other in ax.figure.axes if other is not ax]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.log10(LINE.loss))
    assert ax.lines[0].get_color() == "black"
    np.testing.assert_array_equal(beside.lines[0].get_ydata(), LINE.metrics["accuracy"])
    np.testing.assert_array_equal(beside.lines[1].get_ydata(), LINE.metrics["margin"])
    assert (ax.get_ylabel(), beside.get_ylabel()) == ("log10 loss", "accuracy, margin")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["log10 loss", "accuracy", "margin"]


@pytest.mark.parametrize("metric", ["", [], ["loss", "loss"]])
def test_a_line_wants_names_each_once(metric):
    with pytest.raises(ValueError, match="metric must be different names, got"):
        LINE.plot(metric=metric)
