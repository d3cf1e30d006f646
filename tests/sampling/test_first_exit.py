"""Where scores along directions leave their range, against closed forms."""

import math

import numpy as np
import pytest

from fastscape.sampling import Scan, first_exits


class Asked:
    """Counts what is asked for, and how often."""

    def __init__(self, excess):
        self.excess, self.points, self.calls, self.largest = excess, 0, 0, 0.0

    def __call__(self, which, radii):
        self.points += len(which)
        self.calls += 1
        self.largest = max(self.largest, float(radii.max()))
        return self.excess(which, radii)


def held(found, true, tolerance):
    assert ((found.inside <= true * (1 + 1e-12)) & (true * (1 - 1e-12) <= found.outside)).all()
    assert (found.outside - found.inside <= tolerance * found.outside * (1 + 1e-9)).all()


def test_quadratics_of_any_scale_are_found_with_few_values():
    bends = np.exp(np.random.default_rng(0).normal(size=300) * 3)
    true = np.sqrt(0.05 / bends)
    asked = Asked(lambda k, r: bends[k] * r**2 - 0.05)
    found = first_exits(asked, 300, -0.05, Scan(30.0, 50, 1e-3, 32))
    held(found, true, 1e-3)
    assert asked.points < 20 * 300
    assert asked.calls < 60


def test_jumps_are_found_by_halving():
    true = np.random.default_rng(1).uniform(0.01, 1, 100)
    asked = Asked(lambda k, r: np.where(r > true[k], np.inf, -1.0))
    held(first_exits(asked, 100, -1.0, Scan(1.0, 20, 1e-3)), true, 1e-3)
    asked = Asked(lambda k, r: np.where(r > true[k], 0.1, -5.0))
    held(first_exits(asked, 100, -5.0, Scan(1.0, 20, 1e-3)), true, 1e-3)


def test_the_first_exit_counts_and_what_is_shorter_than_a_step_is_not_seen():
    def bump(k, r):
        return np.where((r > 0.21) & (r < 0.26), 1.0, np.where(r > 0.8, 1.0, -1.0))

    fine, coarse = (first_exits(bump, 1, -1.0, Scan(1.0, steps, 1e-3, 8)) for steps in (25, 10))
    held(fine, 0.21, 1e-3)
    held(coarse, 0.8, 1e-3)
    assert fine.spacing[0] == 1 / 25
    within = first_exits(lambda k, r: bump(k, r * 10), 1, -1.0, Scan(1.0, 10, 1e-3))
    held(within, 0.021, 1e-3)  # the first step is outside, and is scanned itself
    assert within.spacing[0] == 1 / 160


def test_what_never_leaves_is_censored_at_the_limit():
    asked = Asked(lambda k, r: np.where(k == 0, -1.0, r - 0.25))
    found = first_exits(asked, 2, -0.25, Scan(0.7, 7, 0.01, 32))
    assert math.isinf(found.outside[0])
    assert found.inside[0] == pytest.approx(0.7)
    assert np.isfinite(found.outside[1])
    assert asked.largest == pytest.approx(0.7)


def test_the_last_step_counts():
    found = first_exits(lambda k, r: np.where(r >= 0.7 - 1e-9, 1.0, -1.0), 1, -1.0, Scan(0.7, 7, 0.01))
    held(found, 0.7 - 1e-9, 0.01)


def test_a_score_that_leaves_at_once():
    found = first_exits(lambda k, r: np.full(len(k), np.inf), 2, -1.0, Scan(1.0, 10, 0.01))
    assert (found.inside == 0).all()
    assert (found.outside < 1e-11).all()


def test_a_score_on_the_level_is_inside():
    found = first_exits(lambda k, r: np.where(r > 0.5, 1.0, 0.0), 1, 0.0, Scan(1.0, 7, 0.01))
    held(found, 0.5, 0.01)


def test_few_directions_are_looked_at_several_steps_ahead_where_that_is_cheap():
    def far(k, r):
        return r - 2.0

    alone, cheap, many = Asked(far), Asked(far), Asked(far)
    first_exits(alone, 1, -2.0, Scan(1.0, 64, 0.01))
    first_exits(cheap, 1, -2.0, Scan(1.0, 64, 0.01, together=32))
    first_exits(many, 64, -2.0, Scan(1.0, 64, 0.01, together=32))
    assert (alone.calls, cheap.calls, many.calls) == (64, 2, 64)


def test_no_value_beyond_the_first_exit_is_asked_for_where_values_are_dear():
    asked = Asked(lambda k, r: r - 0.3)
    held(first_exits(asked, 1, -0.3, Scan(1.0, 20, 0.01)), 0.3, 0.01)
    assert asked.largest <= 0.35 + 1e-9
