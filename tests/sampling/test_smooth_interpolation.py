"""Smooth surfaces: through all points at once and through the nearest ones, and what leaving out a point says."""

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator

from fastscape.sampling import smooth
from fastscape.sampling.smooth import Smooth

GENERATOR = np.random.default_rng(0)
POINTS = GENERATOR.random((120, 2))
VALUES = np.stack([np.sin(5 * POINTS[:, 0]) + POINTS[:, 1] ** 2, POINTS @ [2.0, -1.0]], 1)
OTHERS = GENERATOR.random((40, 2))


def test_values_are_those_of_another_implementation():
    expected = RBFInterpolator(POINTS, VALUES, kernel="cubic")(OTHERS)
    np.testing.assert_allclose(Smooth(POINTS, VALUES).at(OTHERS), expected, atol=1e-6)
    np.testing.assert_allclose(Smooth(POINTS, VALUES).told(OTHERS).values, expected, atol=1e-6)


def test_far_more_points_are_taken_by_their_neighbours(monkeypatch):
    monkeypatch.setattr(smooth, "AT_ONCE", 10)
    monkeypatch.setattr(smooth, "JUDGED_AT_ONCE", 10)
    near = RBFInterpolator(POINTS, VALUES, kernel="cubic", neighbors=smooth.NEIGHBOURS)(OTHERS)
    local = Smooth(POINTS, VALUES)
    np.testing.assert_allclose(local.at(OTHERS), near, atol=1e-6)
    np.testing.assert_allclose(local.told(OTHERS).values, near, atol=1e-6)
    monkeypatch.undo()
    ratio = local.told(OTHERS).variances[:, 0] / Smooth(POINTS, VALUES).told(OTHERS).variances[:, 0]
    assert 0.3 < np.median(ratio) < 3


@pytest.mark.parametrize("at_once", [1000, 10])
def test_leaving_out_a_point_is_computed_without_leaving_it_out(monkeypatch, at_once):
    monkeypatch.setattr(smooth, "JUDGED_AT_ONCE", at_once)
    left_out = Smooth(POINTS, VALUES).left_out
    for k in (0, 7, 60):
        near = np.argsort(np.linalg.norm(POINTS - POINTS[k], axis=1))[1 : None if at_once > 10 else smooth.NEIGHBOURS]
        rest = RBFInterpolator(POINTS[near], VALUES[near], kernel="cubic")
        np.testing.assert_allclose(left_out[k], (VALUES[k : k + 1] - rest(POINTS[k : k + 1]))[0], atol=1e-6)


def test_what_is_expected_is_about_what_comes():
    told = Smooth(POINTS, VALUES).told(OTHERS)
    errors = told.values[:, 0] - (np.sin(5 * OTHERS[:, 0]) + OTHERS[:, 1] ** 2)
    assert 0.4 < np.sqrt(told.variances[:, 0].mean() / np.square(errors).mean()) < 2.5
    assert np.sqrt(told.variances[:, 1].mean()) < 1e-6  # a plane


def test_points_on_a_line_or_few_of_them_will_do():
    line = np.stack([np.linspace(0, 1, 60), np.zeros(60)], 1)
    beside = np.stack([line[:, 0] + 0.001, line[:, 1]], 1)
    np.testing.assert_allclose(Smooth(line, line**2).at(beside), beside**2, atol=2e-3)
    assert Smooth(line[:1], np.array([[3.0, 4.0]])).told(OTHERS).values == pytest.approx(np.array([[3.0, 4.0]] * 40))


def test_any_number_of_dimensions():
    points = np.random.default_rng(1).random((80, 3))
    surface = Smooth(points, points.sum(1, keepdims=True))
    assert surface.at(np.full((1, 3), 0.4)) == pytest.approx(np.array([[1.2]]))
