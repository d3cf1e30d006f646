"""Every way to draw a landscape, on landscapes that are not as one would like: drawn without a warning, or refused."""

import numpy as np
import pytest

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
    notes = "".join(text.get_text() for text in ax.texts)
    assert ("have no value" in notes) == bool(np.isnan(values).any())
    assert ("infinite value" in notes) == bool(np.isinf(values).any())
