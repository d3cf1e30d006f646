"""Paths of trainings in pictures: steps as colours, epochs, start and end, own losses, and the band below."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from noted import noted

from drawn_trainings import ADAM, SAM, SGD, X, Y, bowl, landscape, training
from fastscape import Landscape, compare
from fastscape.results import Trajectory
from fastscape.views.path_looks import kept, look_of, marks_of, span_of

DRAW = [Landscape.contour, Landscape.surface3d]
ONE, SEVERAL = landscape(SGD), landscape(SGD, ADAM, SAM)


def labelled(ax, label):
    return [line for line in ax.lines if line.get_label() == label]


def coloured(ax):
    """The collections of coloured segments, one for each path."""
    return [c for c in ax.collections if isinstance(c, LineCollection) and c.get_linewidth()[0] == 2.2]


def names(ax):
    return [text.get_text().strip() for text in ax.texts if "Not drawn" not in text.get_text()]


@pytest.mark.parametrize("draw", DRAW)
def test_a_path_is_drawn_in_the_colours_of_its_steps(draw):
    ax = draw(ONE)
    ax.figure.canvas.draw()
    (line,) = labelled(ax, "SGD")
    assert len(line.get_data()[0]) == len(SGD)
    (colours,) = coloured(ax)
    found = colours.get_colors()[:, :3]
    look = look_of(0)
    np.testing.assert_allclose(found[-1], look.at(1.0))
    np.testing.assert_allclose(found[14], look.at(0.5))  # that ends at the 16th of 31 points
    assert len(found) == len(SGD) - 1
    (start,), (end,) = labelled(ax, "start"), labelled(ax, "end")
    for marker, k in ((start, 0), (end, -1)):
        assert [float(along[0]) for along in marker.get_data()][: 2 if draw is Landscape.contour else 0] == (
            SGD.points[k].tolist() if draw is Landscape.contour else []
        )
    assert start.get_markerfacecolor() != end.get_markerfacecolor()
    assert names(ax)[:2] in (["epoch 1", "2"], ["epoch 1", "3"])
    assert [text.get_text().strip() for text in ax.get_legend().get_texts()] == ["SGD", "start", "end"]
    _, start, end = ax.get_legend().legend_handles  # as the ends are drawn, not as the dots of the checkpoints
    assert (start.get_markeredgecolor(), end.get_markerfacecolor()) == (look.last, look.last)


def test_steps_of_several_paths_have_one_scale_and_other_colours():
    ax = SEVERAL.contour()
    assert [text.get_text().strip() for text in ax.get_legend().get_texts()][:3] == ["SGD", "Adam", "SAM"]
    ends = [collection.get_colors()[-1, :3] for collection in coloured(ax)]
    # All three end at step 600.
    np.testing.assert_allclose(ends, [look_of(k).at(1.0) for k in range(3)])
    markers = [line.get_marker() for line in labelled(ax, "end")]
    assert len(set(markers)) == 3
    assert span_of([SGD, training("late", (1, 1), 1.0, every=100)]) == (0, 3000)


def test_the_colours_of_the_steps_are_explained():
    (bar,) = [other for other in ONE.contour(band=False).figure.axes if other.get_xlabel() == "step"]
    assert bar.get_xlim() == (0, 600)
    (image,) = bar.images
    np.testing.assert_allclose(image.get_array()[0, [0, -1]], look_of(0).at([0, 1]))
    (bar,) = [other for other in SEVERAL.surface3d(band=False).figure.axes if other.get_xlabel() == "step"]
    assert bar.images[0].get_array().shape[0] == 3
    assert [other.get_xlabel() for other in ONE.contour(band=False, colorbar=False).figure.axes] == [
        "x (along PC 1, 87 % of the variance)"
    ]


def test_checkpoints_without_steps_are_counted():
    """They lie in their order; of an array of points nothing is known."""
    path = Trajectory("list", SGD.points, loss=SGD.loss, off_plane=SGD.off_plane)
    ax = landscape(path).contour()
    assert ax.figure.axes[1].get_xlabel() == "point"
    np.testing.assert_allclose(coloured(ax)[0].get_colors()[14, :3], look_of(0).at(0.5))
    assert names(ax)[0].startswith("point ")
    assert landscape(path, SGD).contour().figure.axes[1].get_xlabel() == "step or, if unknown, point"
    assert not coloured(landscape().contour(paths=[SGD.points]))


def test_the_band_shows_what_the_checkpoints_lose_themselves():
    ax = ONE.contour()
    band = ax.figure.axes[1]
    (beside,) = [other for other in ax.figure.axes if other.get_ylabel() == "off the plane"]
    assert (band.get_xlabel(), band.get_ylabel()) == ("step", "log10 loss")
    known = np.isfinite(SGD.loss)
    own, below = band.lines
    assert (own.get_label(), below.get_label()) == ("SGD: own loss", "SGD: loss of the plane below it")
    np.testing.assert_allclose(own.get_xydata(), np.stack([SGD.steps, np.log10(SGD.loss)], 1)[known])
    np.testing.assert_allclose(below.get_xydata(), np.stack([SGD.steps, np.log10(SGD.height)], 1)[known])
    np.testing.assert_allclose(beside.lines[0].get_xydata(), np.stack([SGD.steps, SGD.off_plane], 1))
    assert beside.get_ylim()[0] == 0
    plain = ONE.contour(log=False).figure.axes[1]
    np.testing.assert_allclose(plain.lines[0].get_ydata(), SGD.loss[known])
    other = ONE.contour(metric="accuracy").figure.axes[1]
    assert other.get_ylabel() == "log10 loss"  # losses are no accuracies


def test_a_band_is_drawn_where_something_is_known_and_there_is_room():
    bare = Trajectory("bare", SGD.points, steps=SGD.steps)
    assert not [a for a in landscape(bare).contour().figure.axes if "off" in a.get_ylabel()]
    mine, below = plt.figure().subplots(2, 1)
    assert ONE.contour(ax=mine).figure.axes[:2] == [mine, below]
    assert not below.lines
    ONE.contour(ax=mine, band=below)
    assert len(below.lines) == 2
    new = ONE.surface3d(band=plt.figure().add_subplot())
    assert len(new.figure.axes) == 2  # and the colour bar
    off = training("off", (5, 2), 4.0, loss=None, height=None)
    band = landscape(off).contour().figure.axes[1]
    assert band.get_ylabel() == "off the plane"
    assert len(band.lines) == 1
    with pytest.raises(
        ValueError, match="band must be left out if no path has losses or distances off the plane, got band=True"
    ):
        landscape(bare).contour(band=True)
    with pytest.raises(
        ValueError, match="band=True cannot be combined with ax: there is no room below given axes; write band=axes"
    ):
        ONE.surface3d(ax=plt.figure().add_subplot(projection="3d"), band=True)
    for ax in compare([ONE, ONE]):
        assert labelled(ax, "SGD")
        assert len(ax.figure.axes) == 3


def test_own_losses_stand_above_the_surface():
    low, high = np.log10(ONE.loss.min()), np.log10(ONE.loss.max())
    ax = ONE.surface3d()
    (tops,) = labelled(ax, "own loss of SGD")
    x, y, z = tops.get_data_3d()
    known = np.isfinite(SGD.loss)
    np.testing.assert_array_equal(np.isfinite(z), known)
    np.testing.assert_allclose(z[known], np.log10(SGD.loss[known]))
    np.testing.assert_array_equal(np.stack([x, y], 1)[known], SGD.points[known])
    (line,) = labelled(ax, "SGD")
    np.testing.assert_allclose(line.get_data_3d()[2], np.log10(bowl(*SGD.points.T)), atol=0.02 * (high - low))
    assert not labelled(ONE.surface3d(metric="accuracy"), "own loss of SGD")
    assert np.nanmax(z) <= ax.get_zlim()[1]
    above = landscape(Trajectory("above", [[0.0, 0.0], [1.0, 1.0]], loss=[1.5 * ONE.loss.max(), 1.5 * ONE.loss.min()]))
    assert above.surface3d().get_zlim()[1] == pytest.approx(np.log10(1.5 * ONE.loss.max()))
    assert above.surface3d(scale=(low, high)).get_zlim()[1] == pytest.approx(high)
    far = Trajectory("far", [[0.0, 0.0], [1.0, 1.0]], loss=[1e9, 0.2])
    said = noted(landscape(far).surface3d())
    assert 'Not drawn: 1 of 2 losses of the path "far" (above or below the picture)' in said


def test_a_line_shows_own_losses_beside_its_curve():
    path = Trajectory("GD", [[0.0], [1.0], [2.0]], steps=[0, 5, 9], loss=[2.0, np.nan, 0.5])
    line = Landscape(X, None, bowl(X, 0), report={"paths": [path.as_plain()]})
    ax = line.plot()
    (tops,) = labelled(ax, "own loss of GD")
    np.testing.assert_array_equal(tops.get_ydata(), path.loss)
    (dots,) = labelled(ax, "GD")
    np.testing.assert_allclose(dots.get_ydata(), np.interp([0.0, 1.0, 2.0], X, bowl(X, 0)))
    (stems,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    assert [segment[:, 0].tolist() for segment in stems.get_segments()] == [[0, 0], [2, 2]]
    assert [other.get_xlabel() for other in ax.figure.axes[1:]] == ["step"]
    mine = plt.figure().add_subplot()
    assert line.plot(ax=mine, log=True).figure.axes == [mine]
    np.testing.assert_allclose(labelled(mine, "own loss of GD")[0].get_ydata(), np.log10(path.loss))


ODD = {
    "steps that are the same": {"steps": [5, 5, 5, 5]},
    "steps that fall": {"steps": [9, 5, 3, 1], "off_plane": [1, 2, 3, 4]},
    "steps too large": {"steps": [0, 1, 2, 1e300], "loss": [1, 2, 3, 4]},
    "losses of all kinds": {"loss": [np.inf, -1, 0, np.nan], "height": [1e300, 1e-300, 0, np.nan]},
    "huge losses": {"steps": [0, 1, 2, 3], "loss": [1e308, 1e300, 1, 2], "height": [1, 2, 3, 1e308]},
    "odd distances": {"steps": [0, 1, 2, 3], "off_plane": [np.inf, 1e300, np.nan, -1]},
    "odd epochs": {"steps": [0, 1, 2, 3], "measures": {"epoch": [np.inf, np.nan, -1e308, 1e308]}},
    "epochs below 0": {"steps": [0, 1, 2, 3], "measures": {"epoch": [-3, -2, -1, 0]}},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_odd_columns_are_drawn_without_a_warning(columns):
    points = np.array([[0, 0], [1, 1], [2, 0.5], [0.5, -1]])
    one = landscape(Trajectory("p", points, **columns))
    line = Trajectory("p", points[:, :1], **columns).as_plain()
    for ax in (
        one.contour(),
        one.surface3d(),
        Landscape(X, Y, -one.loss, report=one.report).contour(),
        Landscape(X, None, bowl(X, 0), report={"paths": [line]}).plot(),
    ):
        ax.figure.canvas.draw()


def test_orthonormal_axes_have_one_scale():
    """Also where one is more than twice as long as the other; up to where nothing would be left of it."""
    narrow = landscape().with_report({"plane": {"orthonormal": True}})
    wide = Landscape(4 * X, Y, narrow.loss, report=narrow.report)
    sliver = Landscape(40 * X, Y, wide.loss, report=wide.report)
    for one, equal in ((wide, True), (wide.with_report({}), False), (sliver, False)):
        assert (one.contour().get_aspect() == 1) == equal
        across, deep, _ = one.surface3d()._box_aspect
        assert (across / deep == pytest.approx(8.0)) == equal


@pytest.mark.parametrize("draw", DRAW)
def test_levels_are_given_as_numbers_or_heights(draw):
    given = [-1.0, -0.5, 0.0]
    ax = draw(ONE, levels=given, colorbar=False)
    found = [c.levels.tolist() for c in ax.collections if hasattr(c, "levels")]
    assert found
    assert all(levels == given for levels in found)
    with pytest.raises(
        ValueError, match=r"levels must be a number of at least 1, or two or more increasing values, got \[2, 1\]; for"
    ):
        draw(ONE, levels=[2, 1])


@pytest.mark.parametrize("draw", DRAW)
def test_what_cannot_be_drawn_of_given_paths_is_named(draw):
    before = draw(landscape()).get_xlim()
    ax = draw(landscape(), paths=[np.array([[0, 0], [np.nan, 1], [50, 0]]), np.full((2, 2), 99.0)])
    ax.figure.canvas.draw()
    assert noted(ax) == (
        'Not drawn: 1 of 3 points of the path "path" (no finite coordinates), 1 of 3 points of the path "path", 2 of '
        '2 points of the path "path" (outside the grid)'
    )
    assert ax.get_xlim() == before
    with pytest.raises(
        ValueError, match=r"a path must be a walk, as descend returns it, or points \[n, 2\], got numbers of shape"
    ):
        draw(landscape(), paths=[Trajectory("volume", np.zeros((2, 3)))])


def test_many_paths_and_odd_names_are_drawn():
    named = ["_", "$x^{", *"abcdefghij"]
    paths = [Trajectory(name, [[0, 0], [1, k / 10]], steps=[0, 1]) for k, name in enumerate(named)]
    ax = landscape(*paths).contour()
    ax.figure.canvas.draw()
    said = [text.get_text().strip() for text in ax.get_legend().get_texts()]
    assert said == ["_", r"\$x^{", *"abcdef", "and 4 more", "start", "end"]


@pytest.mark.parametrize("draw", DRAW)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_short_paths_are_drawn(draw, count):
    path = Trajectory("short", SGD.points[:count], SGD.steps[:count], SGD.off_plane[:count], SGD.loss[:count])
    draw(landscape(path)).figure.canvas.draw()


def test_names_stand_at_epochs_or_round_steps():
    def named(**columns):
        count = len(columns["steps"])
        return marks_of(Trajectory("a", np.zeros((count, 2)), **columns))

    assert named(steps=[0, 4, 8], measures={"epoch": [0.5, 0.9, 1.2]}) == [(2, "epoch 1")]
    assert named(steps=[0, 4, 8], measures={"epoch": [0.1, 0.2, 0.3]}) == [(1, "step 4"), (2, "8")]
    assert named(steps=[0, 4, 8], measures={"epoch": [np.nan] * 3}) == [(1, "step 4"), (2, "8")]
    assert named(steps=np.arange(8), measures={"epoch": [0, 1, np.nan, 0, 1, 2, 5, 5]}) == [
        (1, "epoch 1"), (5, "2"), (6, "5"),
    ]  # fmt: skip
    assert named(steps=np.arange(0, 10001, 10))[:2] == [(100, "step 1000"), (200, "2000")]
    assert len(named(steps=np.arange(0, 10001, 10))) == 10
    assert named(steps=[1e300, 2e300])
    for steps in ([5.0, 5.0], [5.0], [], [-1.7e308, 1.7e308]):
        assert named(steps=steps) == []
    assert marks_of(Trajectory("a", np.zeros((3, 2)))) == []
    assert marks_of(Trajectory("a", np.zeros((3, 2)), loss=[3, 2, 1])) == [(1, "point 1"), (2, "2")]
    for last in np.geomspace(1e-3, 1e7, 60):
        found = named(steps=np.linspace(0, last, 2001))
        assert 4 <= len(found) <= 10, last


def test_names_keep_apart():
    places = np.array([[0.0, 0.0], [0.01, 0.0], [np.nan, 0.0], [0.1, 0.0]])
    assert kept(places, [], 0.05) == [0, 3]
    assert kept(places, [np.array([0.1, 0.04])], 0.05) == [0]
    assert kept(places, [], (0.2, 0.05)) == [0]
    assert kept(places[[0, 3]], [np.array([0.1, 0.1])], (0.2, 0.05)) == [0]


def test_the_label_beside_a_low_map_is_seen_whole():
    x, y = np.linspace(-1, 10, 23), np.linspace(-2, 2, 9)
    plane = {"kind": "pca", "center": "last", "orthonormal": True, "explained": [0.94, 0.05]}
    labels = ["PC 1, 94 % of the variance", "PC 2, 5.5 % of the variance"]
    low = Landscape(x, y, 1 + x[:, None] ** 2 + y**2, report={"plane": plane, "labels": labels})
    ax = low.contour()
    ax.figure.draw_without_rendering()
    assert ax.get_ylabel().replace("\n", " ") == "y (along PC 2, 5.5 % of the variance)"
    label, page = ax.yaxis.label.get_window_extent(), ax.figure.bbox
    assert page.y0 <= label.y0
    assert label.y1 <= page.y1
