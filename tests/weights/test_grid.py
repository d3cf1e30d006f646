"""Axes and points: computed from indices, ends and middle exact."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fastscape
from fastscape.weights.grid import axis, points

reach = st.floats(1e-3, 1e3)
counts = st.integers(2, 500)


@given(reach=reach, count=counts)
def test_a_symmetric_axis_is_symmetric_with_exact_ends_and_middle(reach, count):
    x = axis("x", (-reach, reach, count))
    assert len(x) == count
    assert (x[0], x[-1]) == (-reach, reach)
    np.testing.assert_array_equal(x, -x[::-1])
    if count % 2:
        assert x[count // 2] == 0.0


@given(start=st.floats(-100, 100), length=reach, count=counts)
def test_any_axis_has_exact_ends_and_even_steps(start, length, count):
    x = axis("x", (start, start + length, count))
    assert (x[0], x[-1]) == (start, start + length)
    np.testing.assert_allclose(np.diff(x), length / (count - 1), rtol=1e-6, atol=1e-12)


def test_an_axis_may_start_at_zero():
    assert axis("x", (0, 1, 3)).tolist() == [0.0, 0.5, 1.0]


def test_one_point():
    assert axis("x", (0.25, 0.25, 1)).tolist() == [0.25]


def test_explicit_coordinates_of_every_kind():
    for spec in ([0, 1, 3], np.array([0, 1, 3]), torch.tensor([0.0, 1.0, 3.0]), range(0, 4, 3)):
        x = axis("x", spec)
        assert x.dtype == np.float64
        assert (x[0], x[-1]) == (0, 3)


def test_a_count_may_be_a_numpy_integer():
    for count in (np.int32(4), np.array(4), torch.tensor(4)):
        assert len(axis("x", (0, 1, count))) == 4


def test_points_are_in_the_order_of_the_values():
    x, y = np.array([1.0, 2.0]), np.array([10.0, 20.0, 30.0])
    grid = points(x, y).reshape(2, 3, 2)
    for i in range(2):
        for j in range(3):
            assert grid[i, j].tolist() == [x[i], y[j]]


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_list_that_reads_as_start_stop_and_count_is_asked_about(name):
    model, data = nn.Linear(3, 2), (torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))
    axes = {"x": (-1, 1, 2), "y": (-1, 1, 2), name: [-1, 1, 51]}
    message = rf"^{name} is a list, .*, -1, 1 and 51; for 51 points write a tuple, {name}=\(-1, 1, 51\)$"
    with pytest.warns(UserWarning, match=message):
        found = fastscape.surface(model, data, progress=False, **axes)
    assert len(found.axes[name]) == 3
    for coordinates in ([0, 1, 3], [1, 10, 100], [-1.0, 1.0, 51.0], np.array([-1, 1, 51])):
        assert fastscape.surface(model, data, progress=False, **{**axes, name: coordinates}).report["warnings"] == []
