"""Several landscapes in one picture: one scale for all, and a title for each."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest

from fastscape import Landscape
from fastscape.views import common_scale, compare

X, Y = np.linspace(-1, 1, 7), np.linspace(-0.5, 1, 5)
BOWL = Landscape(X, Y, 0.1 + X[:, None] ** 2 + 2 * Y**2, report={"model": "Bowl"})
STEEP = Landscape(Y, X, 10 + 90 * Y[:, None] ** 2 + X**2)


@pytest.mark.parametrize("kind", ["contour", "surface3d"])
def test_all_have_the_same_scale(kind):
    before = mpl.rcParams.copy()
    axes = compare([BOWL, STEEP], kind=kind)
    axes[0].figure.canvas.draw()
    assert mpl.rcParams == before
    first = [next(c for c in ax.collections if c.get_array() is not None) for ax in axes]
    assert first[0].get_clim() == first[1].get_clim()
    low, high = np.log10(BOWL.loss.min()), np.log10(STEEP.loss.max())
    assert first[0].get_clim()[0] <= low < high <= first[0].get_clim()[1]
    if kind == "surface3d":
        assert axes[0].get_zlim() == axes[1].get_zlim()
    bars = [ax for ax in axes[0].figure.axes if ax not in axes]
    assert [bar.get_ylabel() for bar in bars] == ["log10 loss"]


def test_several_measures_of_one_landscape_have_one_scale():
    both = Landscape(X, Y, BOWL.loss, {"loss of test": 10 * BOWL.loss, "accuracy": 1 / BOWL.loss})
    axes = compare(both, metric=["loss", "loss of test"])
    assert [ax.get_title() for ax in axes] == ["loss", "loss of test"]
    images = [next(c for c in ax.collections if c.get_array() is not None) for ax in axes]
    assert images[0].get_clim() == images[1].get_clim()
    assert [ax.get_ylabel() for ax in axes[0].figure.axes if ax not in axes] == ["log10 loss"]
    log, scale, label = common_scale([both, both], ["loss", "loss of test"])
    assert (log, label) == (True, "log10 loss")
    assert scale == pytest.approx((np.log10(BOWL.loss.min()), np.log10(10 * BOWL.loss.max())))
    assert common_scale([both], "loss of test")[2] == "log10 loss of test"
    assert common_scale([both, both], ["loss", "accuracy"])[::2] == (False, "loss | accuracy")
    assert [ax.get_title() for ax in compare([both, STEEP], metric=["accuracy", "loss"])] == ["accuracy", "loss"]
    with pytest.raises(ValueError, match="metrics must be one per landscape, got 3 for 2 landscapes"):
        compare([both, STEEP], metric=["loss"] * 3)


def test_titles():
    assert [ax.get_title() for ax in compare([BOWL, STEEP])] == ["Bowl", ""]
    assert [ax.get_title() for ax in compare([BOWL, STEEP, BOWL], names=["a", "b", "c"])] == ["a", "b", "c"]


def test_numbers_below_the_maps_do_not_touch_each_other():
    axis = np.linspace(-1, 1, 5)
    bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
    axes = compare([bowl, bowl])
    axes[0].figure.canvas.draw()
    for ax in axes:
        boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_text()]
        assert len(boxes) >= 3
        # With captions below them the maps are smaller, so there is room to spare.
        assert all(left.x1 + 20 < right.x0 for left, right in itertools.pairwise(boxes))


def test_logarithms_only_where_all_have_them():
    negative = Landscape(X, Y, BOWL.loss - 5)
    assert common_scale([BOWL, negative])[0] is False
    assert common_scale([BOWL, STEEP])[0] is True
    log, (low, high), label = common_scale([BOWL, STEEP], log=False, clip=50.0)
    assert (log, low, high, label) == (False, BOWL.loss.min(), 50.0, "loss")


@pytest.mark.parametrize(
    ("landscapes", "options", "message"),
    [
        ([], {}, "at least one landscape is needed, got none"),
        ([BOWL], {"names": ["a", "b"]}, "names must be one per landscape, got 2 for 1 landscapes"),
        ([BOWL], {"kind": "globe"}, "kind must be one of 'contour', 'surface3d', got 'globe'"),
        (
            [BOWL, Landscape(X, None, X)],
            {"log": False},
            r"a surface to draw needs at least 2 x 2 points, got a landscape of 7 points \(plot draws",
        ),
        ([BOWL], {"metric": "f1"}, "metric='f1' is unknown"),
    ],
)
def test_what_cannot_be_compared_is_refused(landscapes, options, message):
    with pytest.raises(ValueError, match=message):
        compare(landscapes, **options)
