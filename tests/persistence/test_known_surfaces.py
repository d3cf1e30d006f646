"""Pairs, merge trees and basins of functions whose critical points are known without a grid."""

import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from critical_points import Gaussians, diagram, explored, ordered, turning_points
from fastscape.persistence import topology_of
from fastscape.results import TopologyValues, Values


def found_of(heights: np.ndarray, *axes: np.ndarray, **options) -> TopologyValues:
    coordinates = dict(zip("xyzuv", axes or map(np.arange, map(float, heights.shape)), strict=False))
    return topology_of(Values(coordinates, {"loss": heights}), {"log": False, "threshold": 0.0, **options})


def on_grid(f, *axes: np.ndarray) -> np.ndarray:
    return f(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))


WELLS = {
    2: Gaussians(
        np.array([[-1.5, -1.2], [1.6, -0.8], [0.2, 1.9], [-2.0, 1.5]]),
        np.array([1.0, 0.8, 0.9, 0.5]),
        np.array([0.7, 0.6, 0.8, 0.5]),
    ),
    3: Gaussians(
        np.array([[-1.2, -1.0, 0.3], [1.4, -0.6, -0.8], [0.1, 1.5, 0.9]]),
        np.array([1.0, 0.8, 0.9]),
        np.array([0.8, 0.7, 0.8]),
    ),
    4: Gaussians(
        np.array([[-1.1, -0.6, 0.3, 0.2], [1.2, 0.5, -0.4, -0.3]]), np.array([1.0, 0.8]), np.array([0.8, 0.7])
    ),
}  # fmt: skip
COUNTS = {2: (31, 61, 121), 3: (31, 61), 4: (17, 33)}


@pytest.mark.parametrize("dimension", WELLS)
def test_sums_of_gaussians_have_the_minima_and_saddles_of_the_formula(dimension):
    """Births are off by at most what the function rises within a cell, and saddles alike: h^2 at critical points."""
    f, reach = WELLS[dimension], 3.0
    truth = explored(f, reach, 60, seed=dimension)
    assert len(truth.minima) >= len(f.centres)
    wanted = diagram(truth.heights, truth.passes)
    assert len(wanted) == len(truth.minima)
    errors = []
    for count in COUNTS[dimension]:
        axes = [np.linspace(-reach, reach + 0.1 * k, count) for k in range(dimension)]  # no critical point lies on it
        found = found_of(on_grid(f, *axes), *axes)
        spacing = np.sqrt(np.square([axis[1] - axis[0] for axis in axes]).sum())
        tolerance = truth.bend * spacing**2
        deep, others = found.pairs[: len(wanted)], found.pairs[len(wanted) :]
        assert all(pair.persistence <= 2 * tolerance for pair in others)
        births, deaths = ordered([pair[1:3] for pair in deep]).T
        assert (births >= wanted[:, 0] - 1e-12).all()  # no point of a grid lies below the minimum
        ends = np.isfinite(deaths)
        assert (ends == np.isfinite(wanted[:, 1])).all()
        off = np.concatenate([births - wanted[:, 0], deaths[ends] - wanted[ends, 1]])
        assert (np.abs(off) <= tolerance).all()
        errors.append(np.abs(off).max())
        near = cKDTree(truth.minima).query([found.coordinates(pair.birth_at) for pair in deep])[0]
        assert near.max() <= spacing  # and each lies at one of the minima
    assert errors[-1] < errors[0] / 2


def rastrigin(tilt: np.ndarray):
    """`sum_i x_i^2 - 10 cos(2 pi x_i) + tilt_i x_i`, which is a sum of functions of one coordinate each."""
    return lambda p: (p**2 - 10 * np.cos(2 * np.pi * p) + tilt * p).sum(-1)


def separable(tilt: np.ndarray, low: float, high: float):
    """Its minima, by the index of a well along each axis, and the passes between neighbours, by the formula."""
    wells, tops = [], []
    for t in tilt:
        turns = turning_points(lambda x, t=t: 2 * x + 20 * np.pi * np.sin(2 * np.pi * x) + t, low, high)
        minima = turns[np.cos(2 * np.pi * turns) > 0]
        wells.append(minima)
        tops.append(np.setdiff1d(turns, minima))
    return wells, tops


@pytest.mark.parametrize("tilt", [(0.0, 0.0), (0.3, 0.7), (0.3, 0.7, 1.1), (0.0, 0.0, 0.0)])
def test_rastrigin_is_exact(tilt):
    tilt = np.array(tilt)
    wells, tops = separable(tilt, -2.3, 2.3)
    assert [len(minima) for minima in wells] == [5] * len(tilt)
    axes = [np.unique(np.concatenate([np.linspace(-2.3, 2.3, 24), *pair])) for pair in zip(wells, tops, strict=True)]
    f = rastrigin(tilt)
    found = found_of(on_grid(f, *axes), *axes, threshold=0.02)
    # The graph of the formula: every well, and between two neighbours along an axis the top between them.
    nodes = list(itertools.product(*(range(len(minima)) for minima in wells)))
    where = np.array([[minima[k] for minima, k in zip(wells, node, strict=True)] for node in nodes])
    passes, over = [], {}
    for number, node in enumerate(nodes):
        for axis in range(len(tilt)):
            if node[axis] + 1 < len(wells[axis]):
                other = nodes.index(tuple(k + (a == axis) for a, k in enumerate(node)))
                top = where[number].copy()
                top[axis] = tops[axis][np.searchsorted(tops[axis], top[axis])]
                passes.append((float(f(top)), number, other))
                over[passes[-1]] = top
    heights = f(where)
    wanted = diagram(heights, passes)
    of_wells = [pair for pair in found.pairs if min(np.abs(where - found.coordinates(pair.birth_at)).max(1)) == 0]
    np.testing.assert_allclose(ordered([pair[1:3] for pair in of_wells]), wanted, rtol=0, atol=1e-11)
    assert len([basin for basin in found.basins if not basin.at_edge]) == len(nodes)
    if tilt.all():  # no two heights are the same, so that the tree is unique
        assert_the_tree_is(found, where, heights, passes, over)
        assert_the_labels_are(found, axes, wells, tops)


def assert_the_tree_is(found, where, heights, passes, over):
    """Which basin joins which, and where."""
    group, joined = list(range(len(heights))), {}
    for p in sorted(passes):
        a, b = group[p[1]], group[p[2]]
        if a != b:
            low, high = sorted((a, b), key=lambda k: heights[k])
            joined[high] = low, over[p]
            group = [low if k == high else k for k in group]
    named = {found.coordinates(basin.at): basin for basin in found.basins}
    for number, at in enumerate(where):
        basin = named[tuple(at)]
        if number in joined:
            into, top = joined[number]
            assert found.coordinates(found.basins[basin.joins].at) == tuple(where[into])
            assert found.coordinates(basin.saddle_at) == tuple(top)
        else:
            assert basin.joins is None
            assert basin.number == 0


def assert_the_labels_are(found, axes, wells, tops):
    """Between two tops along every axis all points drain into one well."""
    named = {found.coordinates(basin.at): basin.number for basin in found.basins}
    for node in itertools.product(*map(range, map(len, wells))):
        sides = []
        for axis, minima, high, k in zip(axes, wells, tops, node, strict=True):
            ends = np.concatenate([[-np.inf], high, [np.inf]])
            j = np.searchsorted(high, minima[k])
            inner = (axis > ends[j]) & (axis < ends[j + 1]) & (np.abs(axis) < 2.2)  # beyond it falls to the border
            sides.append(np.flatnonzero(inner))
        number = named[tuple(minima[k] for minima, k in zip(wells, node, strict=True))]
        assert (found.labels[np.ix_(*sides)] == number).all()


def test_a_loop_around_a_crater_dies_at_its_top_and_a_void_likewise():
    """`(|p|^2 - 1)^2` in two and three dimensions: born on the sphere, at 0, and filled at the centre, at 1."""
    for dimension in (2, 3):
        axes = [np.linspace(-1.5, 1.5, 31)] * dimension
        found = found_of(on_grid(lambda p: (np.square(p).sum(-1) - 1) ** 2, *axes), *axes, dimensions=range(dimension))
        (hole,) = [pair for pair in found.pairs if pair.dimension == dimension - 1 and pair.persistence > 0.5]
        assert hole.death == 1
        assert found.coordinates(hole.death_at) == pytest.approx((0.0,) * dimension, abs=1e-12)
        assert 0 <= hole.birth < 0.1
        assert not [pair for pair in found.pairs if 0 < pair.dimension < dimension - 1 and pair.persistence > 0.2]
