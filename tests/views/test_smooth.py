"""The smooth surface: through all values, exact for parabolas, with its gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastscape.views import Smooth

UNEVEN_X, UNEVEN_Y = np.array([-2.0, -1.5, -0.2, 0.1, 1.0, 3.0]), np.array([0.0, 0.3, 1.5, 2.0])
RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(6, 4))


def test_it_passes_through_all_values():
    surface = Smooth(UNEVEN_X, UNEVEN_Y, Z)
    for i, x in enumerate(UNEVEN_X):
        for j, y in enumerate(UNEVEN_Y):
            assert surface.at(x, y)[0] == pytest.approx(Z[i, j], abs=1e-14)


@given(
    st.lists(st.floats(-3, 3), min_size=9, max_size=9),
    st.floats(-2, 3),
    st.floats(0, 2),
)
def test_parabolas_are_exact_on_uneven_axes(factors, x, y):
    c = np.reshape(factors, (3, 3))

    def f(x, y):
        return sum(c[a, b] * x**a * y**b for a in range(3) for b in range(3))

    surface = Smooth(UNEVEN_X, UNEVEN_Y, f(UNEVEN_X[:, None], UNEVEN_Y[None, :]))
    height, along_x, along_y = surface.at(x, y)
    assert height == pytest.approx(f(x, y), abs=1e-10)
    slope_x = sum(a * c[a, b] * x ** (a - 1) * y**b for a in (1, 2) for b in range(3))
    slope_y = sum(b * c[a, b] * x**a * y ** (b - 1) for a in range(3) for b in (1, 2))
    assert (along_x, along_y) == pytest.approx((slope_x, slope_y), abs=1e-10)


@given(st.floats(-1.99, 2.99), st.floats(0.01, 1.99))
def test_the_gradient_is_that_of_the_surface(x, y):
    surface, e = Smooth(UNEVEN_X, UNEVEN_Y, Z), 1e-6
    _, along_x, along_y = surface.at(x, y)
    assert (surface.at(x + e, y)[0] - surface.at(x - e, y)[0]) / (2 * e) == pytest.approx(along_x, abs=1e-3)
    assert (surface.at(x, y + e)[0] - surface.at(x, y - e)[0]) / (2 * e) == pytest.approx(along_y, abs=1e-3)


@pytest.mark.parametrize("at", UNEVEN_X[1:-1])
def test_height_and_gradient_are_continuous_from_cell_to_cell(at):
    surface = Smooth(UNEVEN_X, UNEVEN_Y, Z)
    before, after = (np.array(surface.at(at + e, 0.77)) for e in (-1e-9, 1e-9))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_two_points_give_a_line_and_the_order_of_an_axis_does_not_matter():
    plane = Smooth(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([[1.0, 2.0], [5.0, 6.0]]))
    assert plane.at(0.5, 0.25) == pytest.approx((2.25, 2.0, 1.0))
    turned = Smooth(UNEVEN_X[::-1], UNEVEN_Y, Z[::-1])
    assert turned.at(0.4, 0.9) == Smooth(UNEVEN_X, UNEVEN_Y, Z).at(0.4, 0.9)


def test_beyond_the_border_everything_is_as_on_it():
    surface = Smooth(UNEVEN_X, UNEVEN_Y, Z)
    assert surface.at(-9.0, 0.9) == surface.at(-2.0, 0.9)
    assert surface.at(99.0, 99.0) == surface.at(3.0, 2.0)
    assert np.isnan(surface.at(np.nan, 0.9)).all()


def test_a_hole_reaches_two_cells():
    z = RANDOM.normal(size=(9, 9))
    z[4, 4] = np.nan
    surface = Smooth(np.arange(9.0), np.arange(9.0), z)
    finite = [[np.isfinite(surface.at(x + 0.5, y + 0.5)[0]) for y in range(8)] for x in range(8)]
    expected = np.ones((8, 8), dtype=bool)
    expected[2:6, 2:6] = False
    np.testing.assert_array_equal(finite, expected)


@pytest.mark.parametrize("axis", [[0.0], [0.0, 1.0, 1.0]])
def test_axes_that_span_nothing_are_refused(axis):
    with pytest.raises(ValueError, match="x must be at least two coordinates, all different, got"):
        Smooth(np.array(axis), UNEVEN_Y, np.ones((len(axis), 4)))
