"""Every way to draw a landscape, on landscapes that are not as one would like: drawn without a warning, or refused."""

import numpy as np
import pytest
from noted import noted

from fastscape import Landscape, animate, compare

RNG = np.random.default_rng(0)
ROUGH = RNG.lognormal(size=(6, 5))


def with_values(*values: float) -> np.ndarray:
    loss = ROUGH.copy()
    loss[2, 1 : 1 + len(values)] = values
    return loss


def landscape(loss: np.ndarray) -> Landscape:
    return Landscape(np.arange(float(loss.shape[0])), np.arange(float(loss.shape[1])), loss)


def animated(one: Landscape, **options):
    """The second frame; test_animation.py writes files."""
    animation = animate([one, one], **options)
    animation._draw_was_started = True
    animation._draw_frame(1)
    return animation._fig.axes[0]


DRAW = {
    "contour": Landscape.contour,
    "contour lines": lambda one: one.contour(filled=False, linewidth=1, labels=True),
    "surface3d": Landscape.surface3d,
    "surface3d without a floor": lambda one: one.surface3d(floor=False),
    "compare": lambda one: compare([one, one])[0],
    "compare surfaces": lambda one: compare([one, one], kind="surface3d")[0],
    "animate": animated,
    "animate surfaces": lambda one: animated(one, kind="surface3d"),
    "a path": lambda one: one.contour(paths=[one.descend((one.x[-1], one.y[-1]), steps=3)]),
}
DRAWN = {
    "NaN": with_values(np.nan),
    "inf": with_values(np.inf, -np.inf),
    "NaN and inf": with_values(np.nan, np.inf),
    "huge": with_values(1e300),
    "tiny": ROUGH * 1e-300,
    "negative": ROUGH - 5,
    "constant": np.full((6, 5), 0.7),
    "zeros": np.zeros((6, 5)),
    "2 x 2": ROUGH[:2, :2],
    "2 x 2, constant": np.ones((2, 2)),
    "both ends of float64": with_values(np.finfo(np.float64).max, -np.finfo(np.float64).max, 5e-324),
    "from least to most": with_values(np.finfo(np.float64).max, 5e-324),
    "least": np.full((6, 5), 5e-324),
    "large and constant": np.full((6, 5), -1e20),
    "nearly constant": 1e15 + ROUGH,
}
AXES = {
    "huge": (1e300, 1e300),
    "tiny": (1e-300, 1e-300),
    "huge and tiny": (1e300, 1e-300),
    "backwards": (-1.0, 1.0),
    "nearly nothing": (1e-320, 1.0),
}
REFUSED = {
    "one row": (ROUGH[:1], "1 x 5 points"),
    "one column": (ROUGH[:, :1], "6 x 1 points"),
    "one point": (ROUGH[:1, :1], "1 x 1 points"),
    "nowhere finite": (np.full((6, 5), np.nan), "finite at no point"),
    "only infinite": (np.full((6, 5), np.inf), "finite at no point"),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize("loss", DRAWN.values(), ids=DRAWN)
def test_it_is_drawn(draw, loss):
    draw(landscape(loss)).figure.canvas.draw()


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize(("loss", "message"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(draw, loss, message):
    with pytest.raises(ValueError, match=message):
        draw(landscape(loss))


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize("scale", AXES.values(), ids=AXES)
def test_axes_of_any_size_are_drawn(draw, scale):
    ax = draw(Landscape(np.arange(6.0) * scale[0], np.arange(5.0) * scale[1], ROUGH))
    ax.figure.canvas.draw()
    for size, label, limits in zip(
        scale, (ax.get_xlabel(), ax.get_ylabel()), (ax.get_xlim(), ax.get_ylim()), strict=True
    ):
        assert ("in units of 1e" in label.replace("\n", " ")) == (abs(np.log10(abs(size))) > 30)
        assert 1 < np.ptp(limits) < 50


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([0, 1, np.nan], r"x must have finite coordinates, got nan at x\[2\]"),
        ([-np.inf, 1, 2], r"x must have finite coordinates, got -inf at x\[0\]"),
        ([2, 1, 2], "x must have coordinates that all differ, got 2 twice"),
        ([-1.5e308, 0, 1.5e308], r"x spans more than float64 can hold, -1.5e\+308 to 1.5e\+308; divide it"),
    ],
    ids=["nan", "inf", "twice", "too wide"],
)
def test_axes_that_no_picture_has_are_refused(draw, x, message):
    with pytest.raises(ValueError, match=message):
        draw(Landscape(np.array(x, float), np.arange(5.0), ROUGH[:3]))


def test_a_picture_of_unsorted_axes_is_that_of_sorted_ones():
    x, y = np.arange(6.0), np.arange(5.0)
    order = np.random.default_rng(1).permutation(6)
    sorted_, mixed = Landscape(x, y, ROUGH).contour(), Landscape(x[order], y, ROUGH[order]).contour()
    for one, other in zip(sorted_.collections, mixed.collections, strict=True):
        for path, again in zip(one.get_paths(), other.get_paths(), strict=True):
            np.testing.assert_array_equal(path.vertices, again.vertices)


EXTREMES = {
    "both ends": ([1.7e308, -1.7e308, 5e-324], "loss, in units of 1e308"),
    "least": ([5e-324, 5e-324, 3e-323], "loss, in units of 1e-323"),
    "infinite": ([np.inf, 1.0, -np.inf, 2.0], "loss"),
    "the same": ([1e20, 1e20], "loss"),
}


@pytest.mark.parametrize(("values", "label"), EXTREMES.values(), ids=EXTREMES)
def test_a_line_near_the_limits_of_float64_is_drawn(values, label):
    values, n = np.array(values), len(values)
    line = Landscape(np.linspace(0, 1e300, n), None, values, {"right": values[::-1]})
    ax = line.plot(metric=["loss", "right"])
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == "x (along the direction), in units of 1e300"
    assert ax.get_ylabel() == label
    (curve,) = [one for one in ax.lines if one.get_label() == label]
    assert np.isfinite(curve.get_ydata()).all()
    np.testing.assert_allclose(curve.get_xdata(), np.linspace(0, 1, n))


@pytest.mark.parametrize("values", [[1, np.nan, 3], [1, np.inf, 2], [2, 2, 2], [0, 0, 0], [1, 2]], ids=str)
@pytest.mark.parametrize("log", [False, True])
def test_a_line_is_drawn(values, log):
    line = Landscape(
        np.arange(float(len(values))), None, np.array(values, float), {"accuracy": np.array(values, float)}
    )
    if log and not any(values):
        with pytest.raises(ValueError, match="no logarithm"):
            line.plot(log=True)
        return
    ax = line.plot(log=log, metric=["loss", "accuracy"])
    ax.figure.canvas.draw()
    notes = noted(ax)
    assert ("have no value" in notes) == bool(np.isnan(values).any())
    assert ("infinite value" in notes) == bool(np.isinf(values).any())
