"""Intervals of quantiles, shares and means, against scipy and against what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from fastscape.results.order_statistics import mean_of, quantile_of, share_of


def of(values, q=0.5, confidence=0.95, censored=None):
    values = np.asarray(values, dtype=float)
    censored = np.zeros(len(values), bool) if censored is None else np.asarray(censored)
    return quantile_of(values, censored, q, confidence)


@pytest.mark.parametrize("q", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_ends_are_the_closest_draws_that_hold(q, confidence):
    for count in range(1, 61):
        found = of(np.arange(1.0, count + 1), q, confidence)
        below = stats.binom(count, q)
        lower, upper = round(found.low), count + 1 if math.isinf(found.high) else round(found.high)
        tail = (1 - confidence) / 2
        assert below.cdf(lower - 1) <= tail < below.cdf(lower)
        assert below.sf(upper - 1) <= tail
        assert below.sf(upper - 2) > tail
        assert below.cdf(upper - 1) - below.cdf(lower - 1) >= confidence


def test_few_draws_set_no_bound():
    five = of([1, 2, 3, 4, 5])
    assert (five.low, five.value, five.high) == (0.0, 3.0, math.inf)
    six = of([1, 2, 3, 4, 5, 6])
    assert (six.low, six.value, six.high) == (1.0, 3.5, 6.0)
    tenth = of(np.arange(1.0, 21.0), 0.1)
    assert tenth.low == 0
    assert tenth.high == 6


def test_many_draws_do_not_overflow():
    found = of(np.arange(5000.0))
    assert found.value == 2499.5
    assert found.high - found.low == pytest.approx(1.96 * math.sqrt(5000), rel=0.03)


def test_censored_draws_count_as_larger_ones():
    values, lost = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0, 1.0], np.arange(8) >= 6
    found, whole = of(values, censored=lost), of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 7.0, 8.0])
    assert (found.low, found.value) == (whole.low, whole.value) == (0.1, 0.45)
    assert found.high == math.inf  # where the draw lies that is the upper end is not known
    assert whole.high == 8.0
    assert of(values, 0.75, censored=lost).value == math.inf  # the mean of one that is known and one that is not
    assert of(values, 0.7, censored=lost).value == 0.6
    most = of([0.1, *[1.0] * 9], censored=np.arange(10) > 0)
    assert (most.value, most.low, most.high) == (math.inf, 1.0, math.inf)


def test_the_estimate_is_that_of_kaplan_and_meier():
    rng = np.random.default_rng(0)
    for _ in range(20):
        values, lost = rng.exponential(size=25).round(2) + 0.01, rng.random(25) < 0.3
        curve = stats.ecdf(stats.CensoredData.right_censored(values, lost)).sf
        for q in (0.1, 0.35, 0.5):
            reached = curve.quantiles[curve.probabilities < 1 - q]
            assert of(values, q, censored=lost).value == (reached[0] if len(reached) else math.inf)


def test_censored_draws_with_bounds_of_their_own_are_taken_at_their_worst():
    values, lost = np.array([1.0, 2, 3, 4, 5, 6, 7, 8]), np.array([0, 0, 1, 0, 0, 0, 0, 0], bool)
    found = of(values, censored=lost)
    assert found.low == 1.0
    assert found.high == math.inf  # the third may be the largest, and the seventh the last that is known
    assert of(values, censored=lost, confidence=0.9).high == 8.0


@pytest.mark.parametrize("q", [0, 1, -0.5, math.nan])
def test_what_is_no_quantile(q):
    with pytest.raises(ValueError, match="must be a number between 0 and 1"):
        of([1, 2], q)


def test_shares_are_those_of_clopper_and_pearson():
    for count, total in ((0, 7), (3, 7), (7, 7), (40, 100)):
        found, exact = share_of(count, total, 0.95), stats.binomtest(count, total).proportion_ci(0.95, "exact")
        assert found.value == count / total
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_the_mean_is_that_of_student():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = mean_of(values, 0.9)
    assert found.value == 3.75
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.9, 3, 3.75, stats.sem(values)))
    assert mean_of(values[:1], 0.9).high == math.inf
    assert str(found) == f"3.75 (90 %: {found.low:.4g} to {found.high:.4g})"


def test_the_interval_covers_the_quantile_of_skewed_draws_as_often_as_it_says():
    draws = np.random.default_rng(0).lognormal(size=(2000, 15))
    covered = np.mean([found.low <= 1.0 <= found.high for found in map(of, draws)])
    exact = 1 - 2 * stats.binom(15, 0.5).cdf(3)  # from the fourth to the twelfth
    assert covered == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 2000))
