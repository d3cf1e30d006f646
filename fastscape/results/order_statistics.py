"""Estimates quantiles and shares of any distribution from independent draws, by order statistics.

Some draws may have only a lower bound, such as a radius beyond the limit of its search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Interval", "mean_of", "quantile_of", "share_of"]

_ROUNDED = 1e-9
"""The largest effect of rounding on a probability."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and an interval that covers the true value with some probability.

    Args:
        value: The estimate. Infinite if it is beyond the range of the search.
        low: The lower end.
        high: The upper end; infinite if the draws set no bound.
        confidence: The probability that the caller chose.
    """

    value: float
    low: float
    high: float
    confidence: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({100 * self.confidence:g} %: {self.low:.4g} to {self.high:.4g})"


def quantile_of(values: np.ndarray, censored: np.ndarray, q: float, confidence: float) -> Interval:
    """A quantile, with an interval that holds for every distribution.

    The number of draws below the quantile is binomial for every distribution. So the l-th and the u-th smallest draw
    enclose the quantile with the probability `P(l <= B < u)`, `B ~ Bin(n, q)`. l and u are the closest numbers for
    which neither tail has more than half of 1 - confidence. Few draws set no bound on one side or on both sides.

    Args:
        values: The draws [n]; lower bounds of the censored draws.
        censored: Whether each draw is censored [n].
        q: The quantile, between 0 and 1.
        confidence: The confidence of the interval, between 0 and 1.

    Returns:
        The quantile, or the mean of two quantiles that are equally good; and the interval. The lower end takes
        censored draws at their bounds, and the upper end takes them at infinity, so the interval holds for all values
        of censored draws.

    Raises:
        ValueError: When q is not between 0 and 1.
    """
    if not 0 < q < 1:
        raise ValueError(f"q must be a number between 0 and 1, got {q!r:.80}; for example 0.5 for the median")
    count = len(values)
    at_least, at_most = np.sort(values), np.sort(np.where(censored, np.inf, values))
    below = np.cumsum(_binomial(count, q))  # P(B <= k)
    tail = (1 - confidence) / 2
    tail *= 1 + _ROUNDED
    lower = int(np.searchsorted(below, tail, side="right"))  # the largest l with P(B < l) <= tail
    upper = int(np.searchsorted(below, 1 - tail, side="left")) + 1  # the smallest u with P(B >= u) <= tail
    low = float(at_least[lower - 1]) if lower else 0.0
    high = float(at_most[upper - 1]) if upper <= count else math.inf
    return Interval(_product_limit(values, censored, q), low, high, confidence)


def share_of(count: int, total: int, confidence: float) -> Interval:
    """The share of a population that has a property, from a draw: Clopper and Pearson (1934).

    Args:
        count: How many members of the draw have the property.
        total: The size of the draw.
        confidence: The confidence of the interval.

    Returns:
        The share.
    """
    from scipy.special import betaincinv  # imported only if needed: `import fastscape` stays lean

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    high = float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
    return Interval(count / total, low, high, confidence)


def mean_of(values: np.ndarray, confidence: float) -> Interval:
    """The mean, with the interval of Student's t: exact for normal draws, and about right for many draws of any kind.

    Args:
        values: The draws [n].
        confidence: The confidence of the interval.

    Returns:
        The mean; its interval has no bounds if there is only one draw.
    """
    from scipy.special import stdtrit

    mean, count = float(values.mean()), len(values)
    if count == 1:
        return Interval(mean, -math.inf, math.inf, confidence)
    half = float(stdtrit(count - 1, (1 + confidence) / 2) * values.std(ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, confidence)


def _product_limit(values: np.ndarray, censored: np.ndarray, q: float) -> float:
    """The quantile by Kaplan and Meier (1958); the quantile of all draws if no draw below it is censored."""
    order = np.lexsort((censored, values))  # at one value, draws that left precede draws that were lost
    left, times = ~censored[order], values[order]
    staying = np.cumprod(1 - left / np.arange(len(values), 0, -1))
    reached = np.flatnonzero(left & (staying <= 1 - q + _ROUNDED))
    if not len(reached):
        return math.inf
    first, *later = reached.tolist()
    if staying[first] < 1 - q - _ROUNDED:
        return float(times[first])
    return float(times[first] + times[later[0]]) / 2 if later else math.inf


def _binomial(count: int, q: float) -> np.ndarray:
    """The probabilities of 0, 1, ..., n successes in n trials."""
    k = np.arange(count + 1)
    chosen = np.array([math.lgamma(count + 1) - math.lgamma(j + 1) - math.lgamma(count - j + 1) for j in k.tolist()])
    return np.asarray(np.exp(chosen + k * math.log(q) + (count - k) * math.log1p(-q)))
