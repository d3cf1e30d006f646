"""Adaptive sampling in one, three and more dimensions."""

from functools import cache

import numpy as np
import pytest

from fastscape.sampling.adaptive import Refinement
from fastscape.sampling.choice_of_points import first_points
from fastscape.sampling.interpolation import Scatter


def places(shape):
    """The axes of a grid, and where its points lie [*shape, D]."""
    axes = tuple(np.linspace(-1, 1, side) for side in shape)
    return axes, np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def smooth(shape, seed):
    """A bowl whose axes lie anywhere, with two waves on it, and the axes of its grid."""
    axes, at = places(shape)
    draw, dimensions = np.random.default_rng(seed), len(shape)
    bend = draw.normal(size=(dimensions, dimensions))
    waves = sum(0.2 * np.cos(at @ (2 * draw.normal(size=dimensions)) + draw.uniform(0, 6.28)) for _ in range(2))
    return axes, np.log1p(np.square((at - draw.uniform(-0.3, 0.3, dimensions)) @ bend).sum(-1)) + waves


def refined(axes, surface, tolerance, **options):
    """The refinement of a surface that is known, its true error as a fraction of the range, and what it predicts."""
    values = surface.reshape(-1, 1)
    refinement = Refinement(axes, tolerance, **{"log": False, "size": 8, **options})
    while len(wanted := refinement.wanted()):
        assert not refinement.known[wanted].any()
        assert len(np.unique(wanted)) == len(wanted)
        refinement.take(wanted, values[wanted])
        refinement.judge()
    found = refinement.filled(np.where(refinement.known[:, None], values, 7.0))
    finite = np.isfinite(values)
    assert (np.isfinite(found) == finite).all()
    errors = np.zeros_like(values)
    np.subtract(found, values, out=errors, where=finite)
    span = np.ptp(values[finite]) if finite.any() else 1.0
    return refinement, float(np.sqrt(np.square(errors).mean())) / span, found


IN_SPACE = [((400,), 0.2), ((21, 21, 21), 0.05), ((31, 25, 5), 0.1), ((9, 9, 9, 9), 0.2), ((7, 7, 7, 7, 7), 0.2)]


@pytest.mark.parametrize(("shape", "most"), IN_SPACE)
def test_the_error_is_within_the_tolerance(shape, most):
    for seed in (0, 1) if len(shape) < 5 else (0,):
        refinement, error, _ = refined(*smooth(shape, seed), 0.02)
        assert refinement.met
        assert error <= 0.02
        assert 0 < refinement.known.mean() < most


def test_the_error_is_at_most_what_is_said_in_95_of_100_surfaces():
    within = 0
    for seed in range(100):
        refinement, error, _ = refined(*smooth((11, 11, 11), seed), 0.02, seed=seed)
        assert not refinement.known.all()
        within += error <= refinement.trust.at_most
    assert within >= 95


def test_noise_in_space_is_evaluated_whole_and_a_smaller_tolerance_takes_more_of_the_same_points():
    axes, surface = smooth((11, 11, 11), 0)
    noise = np.random.default_rng(0).random(surface.shape)
    assert refined(axes, noise, 0.01)[0].known.all()
    loose, tight = (refined(axes, surface, tolerance)[0].known for tolerance in (0.02, 0.005))
    assert (tight | ~loose).all()
    assert tight.sum() > loose.sum()


def ball(at, radius, centre=0.2):
    return np.square(at - centre).sum(-1) < radius**2


@cache
def surfaces_with_holes():
    axes, surface = smooth((13, 13, 13), 3)
    at = places((13, 13, 13))[1]
    few = np.random.default_rng(1).random(surface.shape) < 0.05
    line, curve = smooth((300,), 1)
    return {
        "half": (axes, np.where(at[..., 0] > 0.4, np.nan, surface)),
        "slanting": (axes, np.where(at.sum(-1) > 0.9, np.inf, surface)),
        "ball": (axes, np.where(ball(at, 0.5), np.nan, surface)),
        "outside of a ball": (axes, np.where(ball(at, 0.8), surface, np.nan)),
        "here and there": (axes, np.where(few, np.nan, surface)),
        "nowhere finite": (axes, np.full(surface.shape, np.nan)),
        "on a line": (line, np.where(line[0] > 0.33, np.nan, curve)),
    }


@pytest.mark.parametrize("name", surfaces_with_holes())
def test_the_edge_of_a_region_without_values_is_known_to_the_point(name):
    axes, surface = surfaces_with_holes()[name]
    refinement, error, found = refined(axes, surface, 0.02)
    assert refinement.met
    assert error <= 0.02
    finite, known = np.isfinite(surface), refinement.known.reshape(surface.shape)
    assert (np.isfinite(found.reshape(surface.shape)) == finite).all()
    for axis in range(surface.ndim):
        here, there = (np.moveaxis(finite, axis, 0)[some] for some in (slice(1, None), slice(None, -1)))
        both = np.moveaxis(known, axis, 0)[1:] & np.moveaxis(known, axis, 0)[:-1]
        assert both[here != there].all()
    if name not in ("here and there", "nowhere finite"):
        assert not known.all()


def test_the_first_points_meet_every_slab():
    for shape, count in (((41, 41, 41), 112), ((9, 30, 12), 112), ((9, 9, 9, 9), 224), ((7,) * 5, 448)):
        axes = places(shape)[0] if len(shape) < 4 else tuple(np.linspace(-1, 1, side) for side in shape)
        first = first_points(axes, size=8)
        assert len(first) == len(np.unique(first)) <= count + 8
        assert len(first) % 8 == 0
        for coordinates, side in zip(np.unravel_index(first, shape), shape, strict=True):
            assert set(coordinates.tolist()) == set(range(side))
        corners = np.ravel_multi_index(np.meshgrid(*([0, side - 1] for side in shape)), shape)
        assert set(corners.ravel().tolist()) <= set(first.tolist())
        assert len(first_points(axes, told=True)) < len(first) / 2


def test_the_first_points_leave_no_hole_in_space():
    axes, surface = smooth((21, 21, 21), 0)
    refinement = Refinement(axes, 0.01, log=False)
    first = refinement.wanted()
    refinement.take(first, surface.reshape(-1, 1)[first])
    assert refinement.widest_gap() < 10


@pytest.mark.parametrize(("shape", "small"), [((9, 9, 9), True), ((41, 41, 4), True), ((11, 11, 11), False)])
def test_small_grids_in_space_are_evaluated_whole(shape, small):
    assert Refinement(places(shape)[0], 0.01).small is small


def test_planes_are_fitted_to_the_nearest_points():
    draw = np.random.default_rng(0)
    points, others = draw.random((60, 3)), draw.random((20, 3))
    values = np.stack([points @ [1.0, -2.0, 0.5] + 3, np.square(points).sum(1)], 1)
    found = Scatter(points, values).roughly(others)
    np.testing.assert_allclose(found[:, 0], others @ [1.0, -2.0, 0.5] + 3, atol=1e-4)
    assert 0 < np.abs(found[:, 1] - np.square(others).sum(1)).max() < 0.3
    on_a_line = Scatter(points * [1.0, 0.0, 0.0], points[:, :1])  # nothing is said of the other slopes
    np.testing.assert_allclose(on_a_line.roughly(others * [1.0, 0.0, 0.0]), others[:, :1], atol=1e-3)
    assert np.isnan(Scatter(points, np.full((60, 1), np.nan)).roughly(others)).all()
    holes = np.where(points[:, :1] > 0.5, np.nan, values[:, :1])
    assert np.isfinite(Scatter(points, holes).roughly(others)).all()


def test_what_is_known_of_all_points_saves_most_of_them_in_space():
    axes, surface = smooth((15, 15, 15), 0)
    at = places((15, 15, 15))[1]
    rough = surface + 0.5 * np.sin(5 * at[..., 0]) * np.cos(4 * at[..., 1])
    alone = refined(axes, rough + 0.02 * at[..., 2], 0.005)[0]
    told, error, _ = refined(axes, rough + 0.02 * at[..., 2], 0.005, trend=rough.reshape(-1, 1))
    assert error <= 0.005
    assert 3 * told.known.sum() < alone.known.sum()
