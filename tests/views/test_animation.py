"""Moving pictures: every frame shows its step or its landscape, and the file holds them all."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from PIL import Image

from drawn_trainings import ADAM, SAM, SGD, landscape, training
from fastscape import Landscape, animate
from fastscape.results import Trajectory

X, Y = np.linspace(-1, 1, 7), np.linspace(-0.5, 1, 5)
LOSS = 0.1 + X[:, None] ** 2 + 2 * Y**2
EPOCHS = [Landscape(X, Y, k * LOSS) for k in (4, 2, 1)]
PATH = EPOCHS[0].descend((0.9, 0.8), steps=5)


def frames_of(file):
    with Image.open(file) as image:
        return image.n_frames


@pytest.mark.parametrize("kind", ["contour", "surface3d"])
def test_a_path_is_walked_step_by_step(kind, tmp_path):
    animation = animate(EPOCHS[0], PATH, kind=kind, out=tmp_path / "new" / "walk.gif")
    assert frames_of(tmp_path / "new" / "walk.gif") == len(PATH)
    (ax, *_) = animation._fig.axes
    (line,) = [line for line in ax.lines if line.get_label() == "nadam"]
    for k in (2, 5):
        animation._draw_frame(k)
        x, y, *_ = line.get_data_3d() if kind == "surface3d" else line.get_data()
        np.testing.assert_array_equal((x, y), (PATH.x[: k + 1], PATH.y[: k + 1]))
        assert ax.get_title() == f"step {k}"


@pytest.mark.parametrize("kind", ["contour", "surface3d"])
def test_landscapes_follow_each_other_on_one_scale(kind, tmp_path):
    animation = animate(EPOCHS, kind=kind, out=tmp_path / "epochs.gif", names=["a", "b", "c"])
    assert frames_of(tmp_path / "epochs.gif") == 3
    (ax, *bars) = animation._fig.axes
    assert len(bars) == 1
    limits = []
    for k, name in enumerate("abc"):
        animation._draw_frame(k)
        assert ax.get_title() == name
        limits.append(next(c for c in ax.collections if c.get_array() is not None).get_clim())
    assert len(set(limits)) == 1


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (
            (EPOCHS, PATH),
            {},
            "an animation needs one landscape with a walk, or at least two without, got 3 with a walk",
        ),
        ((EPOCHS[0],), {}, "an animation needs one landscape with a walk, or at least two without, got 1 without a"),
        (
            (landscape(SGD, ADAM),),
            {},
            r"walk must be given for a landscape with several paths, got 2 paths \(SGD, Adam\); "
            r"write for example walk=landscape.paths",
        ),
        (
            (EPOCHS[0], Trajectory("far", [[9.0, 9.0], [8.0, 8.0]])),
            {},
            "the walk must have a point on the landscape, got none; give a walk made on this landscape",
        ),
        (
            (EPOCHS[0], "training"),
            {},
            r"a path must be a walk, as descend returns it, or points \[n, 2\], got str; for example",
        ),
        (([],), {}, "an animation needs one landscape with a walk, or at least two without, got 0 without a"),
        ((EPOCHS,), {"out": "x.mp4"}, r"out must end in \.gif, got 'x\.mp4'"),
        ((EPOCHS,), {"interval": 0}, "interval must be at least 1 millisecond, got 0; for example 100"),
        (
            (EPOCHS[0], PATH),
            {"names": ["a"]},
            "names cannot be combined with a walk, whose frames are numbered by its steps; leave",
        ),
        ((EPOCHS,), {"names": ["a"]}, "names must be one per landscape, got 1 for 3 landscapes"),
        ((EPOCHS,), {"kind": "globe"}, "kind must be one of 'contour', 'surface3d', got 'globe'"),
    ],
)
def test_what_cannot_be_animated_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        animate(*arguments, **options)


def test_axes_and_the_colour_bar_are_the_callers(tmp_path):
    ax = plt.figure().add_subplot()
    animation = animate(EPOCHS[0], PATH, ax=ax, colorbar=False, out=tmp_path / "walk.gif")
    assert animation._fig is ax.figure
    assert ax.figure.axes == [ax]
    (beside,) = plt.figure().subplots(1, 1, squeeze=False).ravel()
    assert animate(EPOCHS, ax=beside, out=tmp_path / "epochs.gif")._fig is beside.figure
    assert len(beside.figure.axes) == 2  # with a colour bar


def test_other_paths_stay_whole_beside_the_walk(tmp_path):
    other = EPOCHS[0].descend((-0.5, 0.5), "sgd", steps=4)
    assert other.name != PATH.name
    ax = plt.figure().add_subplot()
    animation = animate(EPOCHS[0], PATH, paths=[other], ax=ax, out=tmp_path / "walk.gif")
    for k in (0, 3):
        animation._draw_frame(k)
        lengths = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
        assert lengths[other.name] == len(other)
        assert lengths[PATH.name] == k + 1


def test_the_former_name_of_the_walk_is_explained():
    with pytest.raises(TypeError, match="animate has no option 'path'; write walk="):
        animate(EPOCHS[0], path=PATH)


SHORT = training("Adam", (5.5, 2.0), 7.0, count=6, every=30)


def coordinates_of(line):
    return np.array(line.get_data_3d() if hasattr(line, "get_data_3d") else line.get_data())[:2]


@pytest.mark.parametrize("kind", ["contour", "surface3d"])
def test_a_training_is_followed(kind, tmp_path):
    """The only path of a landscape, or one of several; the others stay whole."""
    several = landscape(SGD, SHORT, SAM)
    for one, given in ((landscape(SHORT), []), (several, [several.paths[1]])):
        animation = animate(one, *given, kind=kind, out=tmp_path / "a.gif")
        assert frames_of(tmp_path / "a.gif") == 6
        (ax, *_) = animation._fig.axes
        assert len([line for line in ax.lines if line.get_label() == "Adam"]) == 1
        lines = {line.get_label(): line for line in ax.lines}
        for k in (3, 5, 2):
            animation._draw_frame(k)
            np.testing.assert_allclose(coordinates_of(lines["Adam"]).T, SHORT.points[: k + 1])
            ends = [coordinates_of(line)[:, 0] for line in ax.lines if line.get_label() == "end"]
            assert any(np.allclose(end, SHORT.points[k]) for end in ends)
            said = f", own loss {SHORT.loss[k]:.4g}" if k == 3 else ""
            assert ax.get_title() == f"step {30 * k}, epoch {0.3 * k:.4g}{said}"
        if given:
            assert coordinates_of(lines["SGD"]).shape[1] == len(SGD)
        assert "off the plane" not in [other.get_ylabel() for other in animation._fig.axes]


def test_an_array_and_a_path_without_steps_are_followed(tmp_path):
    points = np.array([[0.0, 0.0], [0.5, 0.5], [np.nan, 0.0], [0.5, 0.0]])
    animation = animate(EPOCHS[0], points, out=tmp_path / "a.gif")
    (ax, *_) = animation._fig.axes
    for k in range(4):
        animation._draw_frame(k)
        assert ax.get_title() == f"point {k}"
