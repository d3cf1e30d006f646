"""Pictures of measures of both signs, and arrows of descent."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.quiver import Quiver

import fastscape
from fastscape import Landscape, views
from fastscape.results import colour_ends, heights

X, Y = np.linspace(-1, 1, 21), np.linspace(-3, 3, 15)


def valley(x: np.ndarray = X, y: np.ndarray = Y, scale: float = 1.0) -> Landscape:
    """L = x^2 + x y / 2 + y^2 / 9 + 1, its derivatives by hand."""
    a, b = np.meshgrid(x, y, indexing="ij")
    one = np.ones_like(a)
    slopes = {"dL_dx": 2 * a + b / 2, "dL_dy": a / 2 + 2 * b / 9}
    bends = {"d2L_dx2": 2 * one, "d2L_dxdy": one / 2, "d2L_dy2": 2 / 9 * one}
    loss = a**2 + a * b / 2 + b**2 / 9 + 1
    grids = {name: scale * grid for name, grid in {**slopes, **bends}.items()}
    return Landscape(x, y, scale * loss, {**grids, "accuracy": 1 / loss})


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def arrows_of(ax) -> Quiver:
    (found,) = [one for one in ax.collections if isinstance(one, Quiver)]
    return found


def test_zero_has_the_colour_in_the_middle():
    landscape = valley()
    low, high = (f(landscape.metrics["dL_dx"]) for f in (np.min, np.max))
    shades = landscape.contour(metric="dL_dx").collections[0]
    assert shades.norm.vmin == -shades.norm.vmax
    assert shades.norm.vmax >= max(-low, high)
    assert shades.cmap.name == "coolwarm"
    drawn = landscape.surface3d(metric="dL_dx", floor=False).collections[0]
    assert drawn.norm.vmin == -drawn.norm.vmax
    left, right = fastscape.compare([landscape, valley(Y, X)], metric="dL_dx", names=["a", "b"])
    for ax in (left, right):
        assert ax.collections[0].norm.vmin == -ax.collections[0].norm.vmax
    bar = left.figure.axes[-1]
    assert bar.get_ylim()[0] == -bar.get_ylim()[1]


def test_the_logarithm_of_a_spread_has_no_middle():
    spread = np.geomspace(0.001, 10, X.size * Y.size).reshape(X.size, Y.size)
    landscape = Landscape(X, Y, np.ones_like(spread), {"spread of loss": spread})
    shades = landscape.contour(metric="spread of loss", log=True).collections[0]
    assert shades.cmap.name == "viridis"
    assert shades.norm.vmin != -shades.norm.vmax


def test_what_has_one_sign_is_drawn_as_before():
    for metric in ("accuracy", "d2L_dx2", "loss"):
        shades = valley().contour(metric=metric).collections[0]
        assert shades.cmap.name == "viridis"
        assert shades.norm.vmin != -shades.norm.vmax
    assert colour_ends("loss", -1.0, 2.0) == (-1.0, 2.0)
    assert valley().contour(metric="dL_dx", cmap="plasma").collections[0].cmap.name == "plasma"


def test_clipping_both_signs():
    slopes, _ = heights(valley(), "dL_dx", clip=1.0)
    assert (slopes.min(), slopes.max()) == (-1.0, 1.0)
    assert heights(valley(), "loss", log=False, clip=2.0)[0].min() == valley().loss.min()


@pytest.mark.parametrize("order", [1, -1])
def test_arrows_point_along_the_descent(order):
    ax = valley(X[::order]).contour(arrows=5)
    found = arrows_of(ax)
    places = found.XY
    for (x, y), u, v in zip(places, found.U, found.V, strict=True):
        slope = np.array([2 * x + y / 2, x / 2 + 2 * y / 9])
        step = np.array([u, v])
        assert step @ slope < 0
        assert np.cross([*step, 0], [*slope, 0])[2] == pytest.approx(0, abs=1e-9 * np.hypot(*step) * np.hypot(*slope))
    assert len(places) == 24  # 5 along each axis, without the one at the minimum
    assert np.abs(places[:, 0]).max() < 1
    # In units of the distance between two they are as long as they are steep.
    lengths = np.hypot(found.U / 0.4, found.V / (3 * 6 / 14))
    assert 0.3 - 1e-9 <= lengths.min() < lengths.max() == pytest.approx(0.9)


def test_arrows_in_units_of_powers_of_ten():
    """Nothing of a picture may depend on how large the numbers are."""
    near = arrows_of(valley().contour(arrows=5))
    far = valley(1e40 * X, Y)
    a, b = np.meshgrid(X, Y, indexing="ij")
    metrics = dict(valley().metrics) | {"dL_dx": (2 * a + b / 2) / 1e40}
    far = arrows_of(Landscape(1e40 * X, Y, valley().loss, metrics).contour(arrows=5))
    # -dL/dx is 1e-40 of what it was, and so the arrows point along y.
    assert np.abs(far.U).max() < 1e-30
    assert np.sign(far.V).tolist() == np.sign(near.V).tolist()


def test_arrows_are_left_out_where_nothing_is_known():
    metrics = {name: grid.copy() for name, grid in valley().metrics.items()}
    metrics["dL_dx"][2, 1] = np.nan
    assert len(arrows_of(Landscape(X, Y, valley().loss, metrics).contour(arrows=5)).XY) == 23
    flat = {name: 0 * grid for name, grid in metrics.items()}
    flat["dL_dx"][:] = 0
    ax = Landscape(X, Y, valley().loss, flat).contour(arrows=True)
    assert not [one for one in ax.collections if isinstance(one, Quiver)]


def test_arrows_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="the landscape has no dL_dx"):
        Landscape(X, Y, valley().loss).contour(arrows=True)
    for wrong in (-3, 2.5):
        with pytest.raises(ValueError, match="arrows must be True, or the number of arrows along an axis, got"):
            valley().contour(arrows=wrong)
    with pytest.raises(TypeError, match="arrows"):
        valley().surface3d(arrows=True)


def test_the_page_has_zero_in_the_middle_too(show, window):
    show(valley())
    read = """async (metric) => {
      const control = document.getElementById("metric");
      control.value = metric;
      control.dispatchEvent(new Event("input"));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      const { cmin, cmax } = explorer.maps[0].div._fullData[0];
      return [cmin, cmax];
    }"""
    low, high = window.page.evaluate(read, "dL_dx")
    assert -low == high == pytest.approx(np.abs(valley().metrics["dL_dx"]).max())
    low, high = window.page.evaluate(read, "accuracy")
    assert (low, high) == pytest.approx((valley().metrics["accuracy"].min(), valley().metrics["accuracy"].max()))


@pytest.mark.parametrize(
    "draw", [views.contour, views.surface3d, lambda one, **given: views.compare([one], **given)[0]]
)
def test_logarithms_of_a_metric_around_1_have_no_middle(draw):
    axis = np.linspace(-1, 1, 9)
    around = 0.1 + 2 * (axis[:, None] ** 2 + axis**2)
    landscape = Landscape(axis, axis, 1 + around, {"ratio": around})
    assert around.min() < 1 < around.max()
    found = {shade.get_cmap().name for shade in draw(landscape, metric="ratio", log=True).collections[:1]}
    assert found == {"viridis"}


@pytest.mark.parametrize("draw", [views.contour, views.surface3d])
def test_the_numbers_of_a_narrow_range_are_round(draw):
    axis = np.linspace(-1, 1, 9)
    figure = draw(Landscape(axis, axis, 3.4 + 0.15 * (axis[:, None] ** 2 + axis**2))).figure
    figure.canvas.draw()
    (bar,) = [ax for ax in figure.axes if ax.get_ylabel() == "log10 loss"]
    np.testing.assert_allclose(bar.get_yticks(), [0.54, 0.55, 0.56])
