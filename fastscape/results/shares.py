"""Computes the error of a share of samples, such as an accuracy, that comes from the draw of the samples."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from fastscape.results.values import Values

__all__ = ["SHARES", "binomial_error", "wilson_interval"]

SHARES = "shares"
"""The key of a report for the measures that are shares, with the number of samples of each."""


def binomial_error(values: Values, metric: str = "accuracy") -> np.ndarray:
    """The standard error of a share p of n samples.

        sqrt(p (1 - p) / n)

    For a mean over repeats it is an upper bound, as all directions use the same samples.

    Args:
        values: Values with a report.
        metric: Name of a measure that is true or not for each sample, such as `fastscape.accuracy`. Default
            "accuracy".

    Returns:
        The standard error, in the shape of the grid; NaN if the share is.

    Raises:
        ValueError: When the measure is unknown, or is no share.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, binomial_error
        >>> grids = {"loss": np.zeros(3), "accuracy": np.array([0.0, 0.5, 1.0])}
        >>> made = Values({"x": np.arange(3.0)}, grids, {"shares": {"accuracy": 100}})
        >>> binomial_error(made).tolist()
        [0.0, 0.05, 0.0]
    """
    share, n = _share(values, metric)
    return np.asarray(np.sqrt(share * (1 - share) / n))


def wilson_interval(
    values: Values, metric: str = "accuracy", confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for a share p of n samples, which is also valid for shares near 0 and 1.

        (p + z^2 / 2n  -+  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    Args:
        values: Values with a report.
        metric: As for `binomial_error`.
        confidence: How often the interval has the share of the population, between 0 and 1; z is the quantile of the
            normal distribution at (1 + confidence) / 2. Default 0.95.

    Returns:
        Lower and upper ends, each in the shape of the grid.

    Raises:
        ValueError: When the measure is unknown or is no share, or the confidence is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, wilson_interval
        >>> grids = {"loss": np.zeros(1), "accuracy": np.array([1.0])}
        >>> low, high = wilson_interval(Values({"x": np.zeros(1)}, grids, {"shares": {"accuracy": 10}}))
        >>> round(float(low[0]), 3), round(float(high[0]), 3)
        (0.722, 1.0)

    Source: Wilson 1927, Journal of the American Statistical Association 22, 209-212.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be a number between 0 and 1, got {confidence!r:.80}; for example 0.95")
    share, n = _share(values, metric)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)
    return np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)


def _share(values: Values, metric: str) -> tuple[np.ndarray, int]:
    """A measure that is a share, and the number of its samples."""
    shares: Any = values.report.get(SHARES)
    shares = shares if isinstance(shares, Mapping) else {}
    n = shares.get(metric)
    if metric not in values.measures or not isinstance(n, int) or n < 1:
        known = ", ".join(map(str, shares)) or "none"
        if metric not in values.measures:
            there = ", ".join(values.measures)
            raise ValueError(
                f"metric={metric!r:.80} is not measured; this landscape has {there:.200}, of which shares of samples "
                f"are: {known:.200}. Give others as metrics={{'name': function}}"
            )
        raise ValueError(
            f"metric={metric!r:.80} is no share of samples; those of this landscape are: {known:.200}. A measure is "
            "one where it returns true or false for each sample, or is fastscape.accuracy. A share of tokens is none, "
            "as tokens of one text are no independent draws; repeat the call with other texts to see how far it varies"
        )
    return np.clip(values.measures[metric], 0.0, 1.0), n  # a prediction between points may be outside
