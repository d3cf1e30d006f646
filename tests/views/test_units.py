"""Units for numbers that no picture can draw as they are."""

import numpy as np
import pytest

from fastscape.views.units import Unit, height_of


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        ([0.0, 1.0], 0),
        ([0.0], 0),
        ([np.nan, 1e30], 0),
        ([1e-30, -1e-29], 0),
        ([2e31, 0.0], 31),
        ([-1.7e308, 1.0], 308),
        ([3e-323, np.nan], -323),
        ([0.0, 1e-31], -31),
    ],
)
def test_only_numbers_far_from_1_have_a_unit(values, exponent):
    unit = Unit.of(np.array(values))
    assert unit.exponent == exponent
    scaled = unit.scaled(np.array(values))
    if exponent:
        assert 1 <= np.nanmax(np.abs(scaled)) < 10 + 1e-9
        assert unit.labelled("loss") == f"loss, in units of 1e{exponent}"
    else:
        np.testing.assert_array_equal(scaled, values)
        assert unit.labelled("loss") == "loss"


def test_several_arrays_share_a_unit():
    assert Unit.of(np.array([1.0]), np.array([5e40])) == Unit(40)


@pytest.mark.parametrize(
    ("low", "high", "height"), [(0, 2, 2), (1, 1 + 1e-9, 1e-9), (0, 0, 1), (0.7, 0.7, 1), (-1e20, -1e20, 1e20)]
)
def test_what_is_flat_has_a_height_that_can_be_seen(low, high, height):
    assert height_of(low, high) == pytest.approx(height)
