"""Sampling until every basin is certain: which pairs are in doubt, and whether those of the truth are found."""

from functools import cache

import numpy as np
import pytest

import fastscape
import stored_runs
from fastscape.sampling.adaptive import Refinement
from fastscape.sampling.pairs_in_doubt import doubts_of, pairs_above
from fastscape.sampling.trust import Trust

TOLERANCE, THRESHOLD = 0.01, 0.05


def doubts(heights, spread, threshold=1.0, accuracy=0.1):
    heights, spread = np.array(heights, dtype=float), np.array(spread, dtype=float)
    found = doubts_of(heights, spread, spread == 0, threshold, accuracy)
    return found.pairs, found.uncertain, found.points.tolist()


def test_what_is_known_is_in_no_doubt():
    assert doubts([0, 3, 1, 4], [0, 0, 0, 0]) == (2, 0, [])
    assert doubts([0, 3, 1, 4], [0.05] * 4) == (2, 0, [])  # more exactly than asked for


def test_minima_and_saddles_of_the_prediction_are_asked_for_the_most_doubtful_first():
    assert doubts([0, 0, 3, 1, 4], [0, 0.0, 0.3, 0.2, 0]) == (2, 1, [2, 3])
    assert doubts([0, 0, 0.5, 0.2, 4], [0, 0, 0.3, 0.2, 0]) == (1, 0, [])  # a pair of 0.3 does not count


def test_a_basin_may_be_hidden_where_much_is_open():
    assert doubts([0, 2, 2, 3, 4], [0, 0, 1.5, 0, 0]) == (1, 1, [2])
    assert doubts([0, 2, 2, 3, 4], [0, 0, 0.9, 0, 0]) == (1, 0, [])


def test_a_basin_that_is_known_may_be_deeper_beside_its_minimum():
    assert doubts([3, 0, 0.1, 3], [0, 0, 0.3, 0]) == (1, 1, [2])
    assert doubts([3, 0, 0.1, 3], [0, 0, 0.15, 0]) == (1, 0, [])


def test_a_wall_may_be_hidden_between_two_minima():
    assert doubts([3, 0, 1, 0.5, 3], [0, 0, 0.6, 0, 0]) == (1, 1, [2])
    assert doubts([3, 0, 1, 0.5, 3], [0, 0, 0.4, 0, 0]) == (1, 0, [])


def test_a_wall_may_have_a_gap():
    walls = np.array([[0.0, 5.0, 1.0], [0.5, 4.0, 1.5], [0.5, 3.0, 1.5]])
    spread = np.zeros((3, 3))
    assert doubts(walls, spread) == (2, 0, [])
    spread[1, 1] = 0.5  # it is no lower there than the saddle, whatever it is
    assert doubts(walls, spread) == (2, 0, [])
    spread[1, 1] = 3.5
    assert doubts(walls, spread) == (2, 1, [4])


def test_points_outside_are_no_basins():
    assert doubts([0, np.nan, 1, np.nan], [0, 0, 0, 0]) == (2, 0, [])
    assert doubts([np.nan, np.nan], [0, 0]) == (0, 0, [])
    assert pairs_above(np.array([0.0, 3.0, 1.0, 1.5, 1.2]), 0.25) == 3


def flooded(grid, threshold):
    """The pairs above a threshold, by raising a level from point to point: birth and death, the deepest first."""
    component, births, found = {}, {}, []

    def root(point):
        while component[point] != point:
            point = component[point]
        return point

    for point in sorted(np.ndindex(grid.shape), key=lambda point: grid[point]):
        component[point] = point
        births[point] = grid[point]
        for axis in range(grid.ndim):
            for step in (-1, 1):
                other = (*point[:axis], point[axis] + step, *point[axis + 1 :])
                if other in component and root(other) != root(point):
                    first, second = sorted((root(other), root(point)), key=births.get)
                    found.append((births[second], grid[point]))
                    component[second] = first
    found.append((float(grid.min()), np.inf))
    return sorted(pair for pair in found if pair[1] - pair[0] > threshold)


def waves(dimensions, side, seed, count=12):
    """A surface with several basins, and the axes."""
    axes = (np.linspace(-1, 1, side),) * dimensions
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    draw, steep = np.random.default_rng(seed), 3.5 if dimensions == 2 else 2.2
    surface = sum(
        draw.normal() * np.cos(places @ (steep * draw.normal(size=dimensions)) + draw.uniform(0, 6.28))
        for _ in range(count)
    )
    return axes, surface


@cache
def refined(dimensions, side, seed, tolerance=TOLERANCE, threshold=THRESHOLD, further=0):
    """A refinement, its surface and the true one; with further measures beside it."""
    axes, surface = waves(dimensions, side, seed)
    values = np.stack([surface.ravel(), *np.random.default_rng(seed).normal(size=(further, surface.size))], axis=1)
    refinement = Refinement(axes, tolerance, log=False, size=8, threshold=threshold)
    while len(wanted := refinement.wanted()):
        assert not refinement.known[wanted].any()
        refinement.take(wanted, values[wanted])
        refinement.judge()
    found = refinement.filled(np.where(refinement.known[:, None], values, 7.0))
    return refinement, found[:, 0].reshape(surface.shape), surface


def as_far_as_that(found, true):
    """By how much the pairs of the truth are off at most, as a fraction of the range."""
    span, worst = np.ptp(true), 0.0
    rest = flooded(found, 0.5 * THRESHOLD * span)
    for birth, death in flooded(true, THRESHOLD * span):
        off = [max(abs(b - birth), abs(d - death) if death < np.inf or d < np.inf else 0.0) for b, d in rest]
        worst = max(worst, min(off) / span)
        rest.pop(int(np.argmin(off)))
    return worst


CASES = [(2, 51, seed) for seed in range(8)] + [(3, 17, 0), (3, 17, 2)]


@pytest.mark.parametrize(("dimensions", "side", "seed"), CASES)
def test_every_pair_of_the_truth_is_found(dimensions, side, seed):
    refinement, found, true = refined(dimensions, side, seed)
    assert refinement.met
    assert as_far_as_that(found, true) <= TOLERANCE
    said = refinement.topology()
    assert said["certain"]
    assert said["uncertain"] == 0
    assert abs(said["pairs"] - len(flooded(true, THRESHOLD * np.ptp(true)))) <= 1  # one may be at the threshold
    assert refinement.known.mean() < 0.15


def test_further_measures_change_nothing_of_it():
    alone, beside = refined(*CASES[0])[0], refined(*CASES[0], further=2)[0]
    np.testing.assert_array_equal(beside.known, alone.known)
    assert beside.topology() == alone.topology()
    assert len(beside.trust.others) == 2


def test_without_it_some_pair_is_not_as_exact_as_the_mean():
    worst = [as_far_as_that(*refined(*case, threshold=None)[1:]) for case in CASES[:8]]
    assert max(worst) > TOLERANCE
    assert refined(*CASES[0], threshold=None)[0].topology() is None


def test_it_goes_on_where_a_mean_error_is_enough_and_costs_little_more():
    for seed in range(8):
        loose, sure, tight = (
            refined(2, 51, seed, tolerance, threshold)[0].known
            for tolerance, threshold in ((TOLERANCE, None), (TOLERANCE, THRESHOLD), (0.004, THRESHOLD))
        )
        assert (sure | ~loose).all()
        assert (tight | ~sure).all()
        assert sure.sum() < 1.5 * loose.sum()


def test_a_surface_of_one_basin_costs_a_few_points():
    axis = np.linspace(-1, 1, 51)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    values = (1 + (x - 0.07) ** 2 + 2 * (y + 0.11) ** 2).reshape(-1, 1)
    counts = []
    for threshold in (None, THRESHOLD):
        refinement = Refinement((axis, axis), TOLERANCE, threshold=threshold)
        while len(wanted := refinement.wanted()):
            refinement.take(wanted, values[wanted])
            refinement.judge()
        counts.append(refinement.known.sum())
    assert counts[0] <= counts[1] <= counts[0] + 6
    assert refinement.topology()["pairs"] == 1


@pytest.mark.parametrize("hole", [0.3, 5.0])
def test_a_region_without_values_is_outside(hole):
    axes, surface = waves(2, 41, 3)
    x, y = np.meshgrid(*axes, indexing="ij")
    surface[x**2 + y**2 < hole] = np.nan
    values = surface.reshape(-1, 1)
    refinement = Refinement(axes, TOLERANCE, log=False, threshold=THRESHOLD)
    while len(wanted := refinement.wanted()):
        refinement.take(wanted, values[wanted])
        refinement.judge()
    assert refinement.met
    assert refinement.topology()["certain"]
    assert refinement.known.mean() < 0.5
    assert (
        refinement.topology()["pairs"] == pairs_above(surface, THRESHOLD * np.ptp(surface[np.isfinite(surface)]))
        if (hole < 1)
        else refinement.topology()["pairs"] == 0
    )


def test_what_is_known_in_full_is_counted():
    axes, surface = waves(2, 12, 0)
    refinement = Refinement(axes, TOLERANCE, log=False, threshold=THRESHOLD)
    refinement.take(refinement.wanted(), surface.reshape(-1, 1))
    refinement.judge()
    pairs = len(flooded(surface, THRESHOLD * np.ptp(surface)))
    assert refinement.topology() == {"threshold": 0.05, "pairs": pairs, "uncertain": 0, "certain": True, "rounds": 0}


def test_a_doubt_keeps_a_round_from_being_good_enough():
    good = Trust(rms=0.004, at_most=0.005, largest=0.3, left_out=0.015, edge=0, held_out=9, others=[])
    assert good.within(0.005)
    for uncertain in (1, -1):
        assert not good._replace(uncertain=uncertain).within(0.005)
    refinement = Refinement((np.linspace(0, 1, 20),) * 2, 0.005, threshold=THRESHOLD)
    assert refinement.topology()["certain"] is False
    assert refinement.topology()["pairs"] is None


def test_the_report_says_whether_the_basins_are_certain(tmp_path):
    store = tmp_path / "run.zarr"
    loose = stored_runs.surface(store, **{**stored_runs.BASINS, "topology": False})
    assert "topology" not in loose.report["refinement"]
    sure = stored_runs.surface(store, **stored_runs.BASINS)
    said = sure.report["refinement"]["topology"]
    assert said["certain"]
    assert said["threshold"] == 0.05
    assert said["rounds"] > 0
    assert sure.report["points_before"] == loose.evaluated.sum() < sure.evaluated.sum()
    assert (sure.evaluated | ~loose.evaluated).all()
    assert sure.loss.tobytes() == stored_runs.surface(None, **stored_runs.BASINS).loss.tobytes()
    again = sure.reproduce(*stored_runs.problem(), progress=False)
    assert again.report["refinement"]["topology"] == said
    assert again.loss.tobytes() == sure.loss.tobytes()
    other = stored_runs.surface(None, **{**stored_runs.BASINS, "topology": 0.2})
    assert other.report["refinement"]["topology"]["threshold"] == 0.2


def test_both_levels_of_samples_are_certain():
    options = {**stored_runs.BASINS, "samples": 800, "draw_samples": 60}
    found = stored_runs.surface(None, **options).report["refinement"]
    assert found["draw_samples"] == 60
    assert found["topology"]["certain"]


@pytest.mark.parametrize("draw_samples", [0, 60])
def test_other_measures_change_nothing_of_it(draw_samples):
    options = {**stored_runs.BASINS, "samples": 800, "draw_samples": draw_samples}
    found = stored_runs.surface(None, **options)
    more = stored_runs.surface(None, **options, metrics={"accuracy": fastscape.accuracy})
    assert more.report["refinement"]["topology"] == found.report["refinement"]["topology"]
    assert more.loss.tobytes() == found.loss.tobytes()


@pytest.mark.parametrize("topology", [2, 0, -0.1, 1, float("nan"), "yes", None])
def test_mistakes(topology):
    with pytest.raises(ValueError, match="must be True, False or a fraction of the range"):
        stored_runs.surface(None, tolerance=0.01, topology=topology)


def test_without_a_tolerance_every_point_is_certain_anyway():
    with pytest.raises(ValueError, match=r"write tolerance=0\.01 too"):
        stored_runs.surface(None, topology=True)
    with pytest.raises(TypeError, match="topology"):
        fastscape.line(*stored_runs.problem(), topology=True)
