"""Pictures of means over random directions: a band on a line, a map of the spread."""

import numpy as np
import pytest

from fastscape import Landscape, views
from fastscape.results import Values, mean_over_repeats

RNG = np.random.default_rng(0)


def line(repeats: int, values=None) -> Landscape:
    x = np.linspace(-1, 1, 9)
    stack = 1 + x**2 * RNG.uniform(0.5, 2, (repeats, 1)) if values is None else values
    axes = {"repeat": np.arange(float(repeats)), "x": x}
    return Landscape.of(mean_over_repeats(Values(axes, {"loss": stack}, {}, np.full(stack.shape, 0.25))))


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize("log", [False, True])
def test_the_band_is_between_quantiles(log):
    landscape = line(20)
    ax = landscape.plot(log=log)
    (band,) = ax.collections
    low, high = np.quantile(landscape.repeats["loss"], [0.1, 0.9], axis=0)
    drawn = band.get_paths()[0].vertices
    wanted = np.log10([low.min(), high.max()]) if log else (low.min(), high.max())
    assert drawn[:, 1].min() == pytest.approx(wanted[0])
    assert drawn[:, 1].max() == pytest.approx(wanted[1])
    label = "log10 loss" if log else "loss"
    assert legend(ax) == ["loss, mean of 20 directions", "10 % to 90 % of the directions"]
    assert ax.get_ylabel() == label
    assert len(ax.lines) == 2  # the mean, and the mark of the model


def test_few_directions_are_drawn_one_by_one():
    landscape = line(3)
    ax = landscape.plot(label="mine")
    assert legend(ax) == ["mine", "10 % to 90 % of the directions", "single directions"]
    single = [curve for curve in ax.lines if curve.get_linewidth() == 0.6]
    for curve, values in zip(single, landscape.repeats["loss"], strict=True):
        np.testing.assert_array_equal(curve.get_ydata(), values)


def test_what_is_clipped_or_not_finite_does_not_stretch_the_picture():
    stack = np.ones((4, 9))
    stack[:, 8], stack[1, 0], stack[2, 1] = 1e40, np.inf, np.nan
    ax = line(4, stack).plot(clip=5.0)
    assert ax.get_ylim()[1] < 6
    assert np.isfinite(ax.get_ylim()).all()


def test_a_single_direction_has_neither_band_nor_legend():
    ax = Landscape(np.arange(3.0), None, np.ones(3)).plot()
    assert not ax.collections
    assert ax.get_legend() is None


def test_a_measure_that_is_no_mean_has_no_band():
    ax = line(5).plot(metric="spread of loss")
    assert not ax.collections


def test_pictures_say_how_well_the_mean_is_known():
    landscape = line(5)
    said = views.repeats_said(landscape)
    error = landscape.direction_error().max()
    assert said == (
        f"mean of 5 random directions, with a standard error of at most {error:.2g} over directions and 0.25 over "
        "samples"
    )
    assert views.repeats_said(landscape, "spread of loss") == "standard deviation over 5 random directions"
    assert views.repeats_said(Landscape(np.arange(3.0), None, np.ones(3))) == ""
    texts = " ".join(text.get_text() for text in landscape.plot().figure.findobj(match=type(landscape.plot().title)))
    assert "mean of 5 random directions" in " ".join(texts.split())


def plane() -> Landscape:
    x = np.linspace(-1, 1, 5)
    bowl = 1 + x[:, None] ** 2 + x**2
    axes = {"repeat": np.arange(4.0), "x": x, "y": x}
    return Landscape.of(mean_over_repeats(Values(axes, {"loss": bowl * np.array([1.0, 2, 3, 4])[:, None, None]})))


def test_a_map_shows_the_spread():
    landscape = plane()
    ax = landscape.contour(metric="spread of loss")
    assert "spread of loss" in {axes.get_ylabel() for axes in ax.figure.axes}
    landscape.surface3d()


def test_the_page_has_the_spread_and_says_what_is_shown():
    page = views.page(plane())
    assert "spread of loss" in page
    assert "mean of 4 pairs of random directions" in page
