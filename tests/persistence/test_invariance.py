"""What turning, flipping, stretching and refining a grid leaves as it is, and that small errors change little."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastscape.persistence import distance, topology_of
from fastscape.results import Values

many = settings(deadline=None, max_examples=40)
DRAWN = st.tuples(st.sampled_from([(25,), (6, 7), (4, 3, 5)]), st.integers(0, 10**6))


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def found_of(grid: np.ndarray, **options):
    axes = {f"x{k}": np.arange(float(n)) for k, n in enumerate(grid.shape)}
    options = {"dimensions": range(grid.ndim), "threshold": 0.1, "log": False, **options}
    return topology_of(Values(axes, {"loss": grid}), options)


def spans(found) -> list[tuple[int, float, float]]:
    return sorted(pair[:3] for pair in found.pairs)


@settings(many, max_examples=12)
@given(DRAWN)
def test_turned_and_flipped_grids_have_the_same_topology(given_):
    grid = drawn(*given_)
    found = found_of(grid)
    for order in itertools.permutations(range(grid.ndim)):
        for flips in itertools.product((1, -1), repeat=grid.ndim):
            turned = grid.transpose(order)[tuple(slice(None, None, step) for step in flips)]
            other = found_of(turned)
            assert spans(other) == spans(found)
            labels = found.labels.transpose(order)[tuple(slice(None, None, step) for step in flips)]
            assert (other.labels == labels).all()  # numbers go by the heights of the minima
            for one, two in zip(found.basins, other.basins, strict=True):
                assert (one.minimum, one.saddle, one.joins, one.points) == (
                    two.minimum, two.saddle, two.joins, two.points
                )  # fmt: skip
                assert two.volume == pytest.approx(one.volume, rel=1e-12)
                assert two.width == pytest.approx([one.width[axis] for axis in order], rel=1e-12)


@many
@given(DRAWN)
def test_points_that_are_there_twice_change_nothing(given_):
    grid = drawn(*given_)
    wanted = spans(found_of(grid))
    for axis in range(grid.ndim):
        assert spans(found_of(grid.repeat(2, axis=axis))) == wanted


@many
@given(st.integers(0, 10**6))
def test_straight_pieces_between_the_points_of_a_line_change_nothing(seed):
    line = drawn((25,), seed)
    finer = np.interp(np.arange(0, 24.01, 0.25), np.arange(25.0), line)
    assert spans(found_of(finer)) == spans(found_of(line))


@many
@given(DRAWN)
def test_heights_that_are_stretched_stretch_births_and_deaths(given_):
    grid = np.exp(drawn(*given_))
    plain, logged = found_of(grid), found_of(grid, log=True)
    assert (plain.scale, logged.scale) == ("linear", "log10")
    assert [(d, np.log10(b), np.log10(e)) for d, b, e in spans(plain)] == spans(logged)
    scaled = [(d, 8 * b, 8 * e) for d, b, e in spans(plain)]
    assert spans(found_of(8 * grid)) == scaled
    assert [b.at for b in found_of(8 * grid).basins] == [b.at for b in plain.basins]  # the threshold is of the range


@many
@given(DRAWN, st.floats(0.001, 2), st.integers(0, 10**6))
def test_what_differs_little_has_diagrams_that_differ_as_little(given_, error, seed):
    """The stability theorem, in every dimension; and its band: what is certain has a partner."""
    grid = drawn(*given_)
    other = grid + np.random.default_rng(seed).uniform(-error, error, grid.shape)
    error = float(np.abs(other - grid).max())
    one, two = found_of(grid, error=error, threshold=0), found_of(other, error=error, threshold=0)
    for dimension in range(grid.ndim):
        assert distance(one, two, dimension=dimension) <= error * (1 + 1e-12)
    for basin in one.basins:
        assert basin.certain == (basin.depth > 2 * error)
        if basin.certain:
            near = [o for o in two.basins if abs(o.minimum - basin.minimum) <= error + 1e-12]
            assert any(o.saddle == basin.saddle or abs(o.saddle - basin.saddle) <= error + 1e-12 for o in near)


def test_axes_in_no_order_are_sorted_and_falling_ones_stay():
    x, loss = np.array([0.0, 3.0, 1.0, 2.0]), np.array([[4.0, 1.0], [0.0, 2.0], [3.0, 5.0], [6.0, 7.0]])
    evaluated = np.array([[True, True], [False, True], [True, True], [True, True]])
    given_ = Values({"x": x, "y": np.array([1.0, 0.0])}, {"loss": loss}, {}, loss / 10, evaluated)
    found = topology_of(given_, {"log": False, "threshold": 0})
    assert found.axes["x"].tolist() == [0, 1, 2, 3]
    assert found.axes["y"].tolist() == [1, 0]
    assert found.heights.tolist() == [[4, 1], [3, 5], [6, 7], [0, 2]]
    assert [found.coordinates(basin.at) for basin in found.basins] == [(3, 1), (0, 0), (1, 1)]
    assert [basin.saddle for basin in found.basins] == [np.inf, 6, 4]
    flat = Values({"x": x}, {"loss": loss[:, 0]}, repeats={"loss": np.stack([loss[:, 0], loss[:, 0]])})
    assert topology_of(flat, {"log": False}).heights.tolist() == [4, 3, 6, 0]
