"""The merge tree, its simplification and the holes, against gudhi and against slow plain code."""

import itertools
from collections import deque

import gudhi
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fastscape.persistence import MergeTree, merge_tree, topology_of
from fastscape.persistence.basins import merged
from fastscape.results import Values

many = settings(deadline=None, max_examples=40)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 12)),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
)
TIED = st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan, np.inf, -np.inf])  # many are equal, some outside
GRIDS = st.one_of(
    arrays.arrays(float, SHAPES, elements=TIED),
    arrays.arrays(float, SHAPES, elements=st.floats(-5, 5, width=32)),
).filter(lambda grid: np.isfinite(grid).any())


def values_of(grid: np.ndarray, **more) -> Values:
    return Values({f"x{k}": np.arange(float(n)) for k, n in enumerate(grid.shape)}, {"loss": grid}, **more)


def found_of(grid: np.ndarray, **options):
    return topology_of(values_of(grid), {"log": False, "threshold": 0.0, **options})


def by_gudhi(grid: np.ndarray) -> list[tuple[int, float, float]]:
    """All pairs of positive persistence, the points outside being infinite."""
    cubes = gudhi.CubicalComplex(vertices=np.where(np.isfinite(grid), grid, np.inf))
    pairs = cubes.persistence(homology_coeff_field=2, min_persistence=0)
    return sorted((d, birth, death) for d, (birth, death) in pairs if birth < death)


@many
@given(GRIDS)
def test_births_and_deaths_are_those_of_gudhi_in_every_dimension(grid):
    found = found_of(grid, dimensions=range(grid.ndim))
    assert sorted(pair[:3] for pair in found.pairs) == by_gudhi(grid)
    for pair in found.pairs:
        assert grid[pair.birth_at] == pair.birth
        assert pair.death == (np.inf if pair.death_at is None else grid[pair.death_at])
    order = [(pair.dimension, -pair.persistence) for pair in found.pairs]
    assert order == sorted(order)


@many
@given(GRIDS)
def test_the_tree_is_one(grid):
    tree = merge_tree(grid)
    assert isinstance(tree, MergeTree)
    assert ((tree.labels < 0) == ~np.isfinite(grid)).all()
    lowest, flat = np.array([grid[tree.labels == k].min() for k in range(len(tree.minima))]), grid.ravel()
    assert (flat[tree.minima] == lowest).all()
    assert (np.diff(lowest) >= 0).all()
    assert (tree.parents < np.arange(len(tree.parents))).all()  # which are deeper
    assert ((tree.parents < 0) == (tree.saddles < 0)).all()
    assert ((tree.across < 0) == (tree.saddles < 0)).all()


def neighbours(at: tuple[int, ...], shape: tuple[int, ...]):
    for axis, step in itertools.product(range(len(shape)), (-1, 1)):
        beside = (*at[:axis], at[axis] + step, *at[axis + 1 :])
        if 0 <= beside[axis] < shape[axis]:
            yield beside


def flooded(grid: np.ndarray, at: tuple[int, ...], level: float, *, strictly: bool) -> np.ndarray:
    """What is connected with a point below a level."""
    reached = np.zeros(grid.shape, dtype=bool)
    todo = deque([at] if grid[at] < level or (grid[at] == level and not strictly) else [])
    while todo:
        here = todo.popleft()
        if not reached[here]:
            reached[here] = True
            todo += [p for p in neighbours(here, grid.shape) if grid[p] < level or (grid[p] == level and not strictly)]
    return reached


DIFFERENT = st.tuples(st.sampled_from([(30,), (7, 8), (4, 5, 4)]), st.integers(0, 10**6))


def drawn(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Values that are all different, and some points outside."""
    draw = np.random.default_rng(seed)
    grid = draw.permutation(int(np.prod(shape))).astype(float).reshape(shape) + draw.uniform(0, 0.5, shape)
    grid[draw.random(shape) < 0.1] = np.nan
    grid.ravel()[0] = 3.0  # one at least is inside
    return grid


def filled_one_by_one(grid: np.ndarray, threshold: float) -> np.ndarray:
    """The shallowest region flows over its lowest pass into its neighbour, again and again: a partition of the grid.

    Where one point is the pass to several, it flows down the steepest way from there.
    """
    inside = np.isfinite(grid)
    owner = {}
    for at in map(tuple, np.argwhere(inside)):
        here = at
        while (lowest := min([here, *neighbours(here, grid.shape)], key=lambda p: _or_inf(grid[p]))) != here:
            here = lowest
        owner[at] = here
    while True:
        passes: dict = {}
        for at, region in owner.items():
            for beside in neighbours(at, grid.shape):
                if beside in owner and owner[beside] != region:
                    low, height = sorted((grid[at], grid[beside]))
                    passes[region] = min(passes.get(region, (np.inf, np.inf, None)), (height, low, owner[beside]))
        depths = {region: height - grid[region] for region, (height, _, _) in passes.items()}
        region = min(depths, key=depths.get, default=None)
        if region is None or depths[region] > threshold:
            break
        into = passes[region][2]
        owner = {at: into if of == region else of for at, of in owner.items()}
    found = np.full((*grid.shape, grid.ndim), -1)
    for at, region in owner.items():
        found[at] = region
    return found


def _or_inf(value: float) -> float:
    return np.inf if np.isnan(value) else value


@many
@given(DIFFERENT, st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]))
def test_shallow_basins_count_to_the_one_that_they_flow_into(given_, share):
    grid = drawn(*given_)
    found = found_of(grid, threshold=share)
    wanted = filled_one_by_one(grid, found.threshold)
    for at in np.ndindex(grid.shape):
        number = found.labels[at]
        assert tuple(wanted[at]) == ((-1,) * grid.ndim if number < 0 else found.basins[number].at)
    assert all(basin.depth > found.threshold for basin in found.basins)
    assert sum(basin.points for basin in found.basins) == np.isfinite(grid).sum()


@many
@given(DIFFERENT, st.sampled_from([0.0, 0.1, 0.4]))
def test_the_tree_of_the_basins_is_that_of_the_pairs_which_are_left(given_, share):
    grid = drawn(*given_)
    found = found_of(grid, threshold=share)
    left = [pair for pair in found.pairs if pair.persistence > found.threshold]
    assert sorted(pair[1:] for pair in left) == sorted(
        (basin.minimum, basin.saddle, basin.at, basin.saddle_at) for basin in found.basins
    )
    for basin in found.basins:
        if basin.joins is None:
            assert basin.saddle == np.inf
            continue
        below = flooded(grid, basin.at, basin.saddle, strictly=True)
        above = flooded(grid, basin.at, basin.saddle, strictly=False)
        assert grid[above].min() == found.basins[basin.joins].minimum < grid[below].min() == basin.minimum


@many
@given(DIFFERENT, st.sampled_from([0.0, 0.1, 0.4]), st.integers(0, 20))
def test_regions_are_what_a_flood_reaches(given_, share, level):
    grid = drawn(*given_)
    found = found_of(grid, threshold=share)
    for explicit in (None, float(np.nanquantile(grid, level / 20))):
        volumes, widths = found.volume(explicit), found.width(explicit)
        for basin in found.basins:
            if explicit is None:
                joining = [(other.depth, other.saddle) for other in found.basins if other.joins == basin.number]
                until = basin.saddle if basin.joins is not None else max(joining, default=(0, np.inf))[1]
                region = flooded(grid, basin.at, until, strictly=True)
                assert basin.volume == volumes[basin.number]
                assert basin.width == tuple(widths[basin.number])
            else:
                region = flooded(grid, basin.at, min(explicit, basin.saddle), strictly=basin.saddle <= explicit)
            cells, width = 0.0, []
            for at in map(tuple, np.argwhere(region)):
                cells += float(np.prod([0.5 if k in (0, n - 1) else 1.0 for k, n in zip(at, grid.shape, strict=True)]))
            for axis, n in enumerate(grid.shape):
                reached = np.flatnonzero(region.any(axis=tuple(a for a in range(grid.ndim) if a != axis)))
                ends = (max(reached[0] - 0.5, 0), min(reached[-1] + 0.5, n - 1)) if len(reached) else (0, 0)
                width.append(ends[1] - ends[0])
            assert volumes[basin.number] == pytest.approx(cells, rel=1e-12)
            assert widths[basin.number] == pytest.approx(width, rel=1e-12)
            # Whatever drains into a basin that none joins, from below its saddle, is its region.
            if explicit is None and not joining and share == 0:
                assert (found.labels[region] == basin.number).all()


def test_a_chain_of_shallow_basins_flows_to_the_neighbour_and_not_to_the_deepest():
    """The middle well is joined to the deepest one when the shallow one joins, but lies between them."""
    line = np.array([0.0, 5.0, 1.0, 6.0, 5.5, 9.0])
    found = found_of(line, threshold=0.1)
    assert [basin.at for basin in found.basins] == [(0,), (2,)]
    assert found.labels.tolist() == [0, 0, 1, 1, 1, 1]
    tree = merge_tree(line)
    assert tree.parents.tolist() == [-1, 0, 0]  # of what is connected there the deepest
    assert tree.across.tolist() == [-1, 0, 1]
    assert merged(line, tree, 0.9)[1].tolist() == [0, 1, 1]


def test_a_loop_around_points_outside_is_never_filled():
    grid = np.ones((7, 9))
    grid[3, 4] = 2.0
    (filled,) = found_of(grid, dimensions=(1,)).pairs
    assert filled[:3] == (1, 1.0, 2.0)
    assert filled.death_at == (3, 4)
    for outside in (np.nan, np.inf, -np.inf):
        grid[3, 4] = outside
        (endless,) = found_of(grid, dimensions=(1,)).pairs
        assert endless[:3] == (1, 1.0, np.inf)
        assert endless.death_at is None
    grid[3, :5] = np.nan  # up to the border, where nothing goes around
    assert not found_of(grid, dimensions=(1,)).pairs
    cube = np.zeros((5, 5, 5))
    cube[2, 2, 2] = np.nan
    (void,) = found_of(cube, dimensions=(1, 2)).pairs
    assert void[:3] == (2, 0.0, np.inf)


def test_what_nan_divides_has_a_deepest_basin_on_either_side():
    grid = np.array([[1.0, 0.0, np.nan, 3.0, 2.0], [1.5, 1.2, np.inf, 4.0, 2.5]])
    found = found_of(grid)
    assert [(basin.minimum, basin.depth, basin.joins) for basin in found.basins] == [
        (0.0, np.inf, None), (2.0, np.inf, None)
    ]  # fmt: skip
    assert found.labels.tolist() == [[0, 0, -1, 1, 1], [0, 0, -1, 1, 1]]
    assert found.volume().tolist() == [1.5, 1.5]  # of cells that end half-way to what is outside
    assert found.width().tolist() == [[1.0, 1.5], [1.0, 1.5]]


@pytest.mark.parametrize("shape", [(1,), (1, 1), (4,), (3, 5), (2, 3, 4)])
def test_a_constant_grid_is_one_basin(shape):
    found = found_of(np.full(shape, 7.0), dimensions=range(len(shape)), threshold=0.05)
    (basin,) = found.basins
    assert (basin.minimum, basin.depth, basin.points) == (7.0, np.inf, np.prod(shape))
    assert [pair[:3] for pair in found.pairs] == [(0, 7.0, np.inf)]
    assert found.share().tolist() == [1.0]
    assert found.threshold == 0
