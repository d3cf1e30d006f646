"""Decides when the mean losses are known well enough, so that no more data are read.

Every point has its own standard error, the error of the mean over the samples so far. The largest of them, as a
fraction of the range of the means, is compared with the target.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "LEAST_PARTS",
    "LEAST_SAMPLES",
    "SAMPLES_A_PART",
    "Enough",
    "Spread",
    "joint",
    "spread",
    "spread_of_sums",
    "standard_error",
]

SAMPLES_A_PART = 256  # samples that are read at once by default
LEAST_PARTS, LEAST_SAMPLES = 2, 100  # the variance of a few samples is a poor estimate, most often too small a one


def standard_error(means: np.ndarray, moments: np.ndarray, samples: float) -> np.ndarray | None:
    """The standard error of a mean over samples, as an estimate for the population that they are drawn from.

        sqrt((mean of v^2 - m^2) / (n - 1)),    m = mean of v
        sqrt((mean of v^2 - 2 m mean of w v + m^2 mean of w^2) / (n - 1)),    m = sum of v / sum of w

    The second form is for samples with weights w and values v, which are multiplied by w. It is the error of a ratio
    of two means to first order.

    Args:
        means: Means m over the samples.
        moments: Means of v^2, or of v^2, w v and w^2 [..., 1 or 3].
        samples: Number of samples n, the sum of their weights.

    Returns:
        The standard error of each mean; None for a single sample.

    Source: Cochran 1977, Sampling Techniques, section 6.4 (ratios).
    """
    if samples < 2:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        if moments.shape[-1] == 1:
            variance = moments[..., 0] - means**2
        else:
            variance = moments[..., 0] - 2 * means * moments[..., 1] + means**2 * moments[..., 2]
        return np.sqrt(np.maximum(variance, 0.0) / (samples - 1))


class Spread(NamedTuple):
    """The numbers of some points that decide whether more data are read. Points without a finite mean do not count.

    Args:
        error: The largest standard error of a mean.
        lowest: The lowest mean.
        highest: The highest mean.
    """

    error: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class Enough:
    """The rule by which no more data are read.

    Args:
        target: The largest standard error that is allowed, as a fraction of the range of the means.
        exactly: How many samples are used, whatever the standard error. Default: as many as the target needs.
    """

    target: float
    exactly: int | None = None

    def possible(self, parts: int, samples: int) -> bool:
        """Whether the number of samples may be enough at all.

        Args:
            parts: How many parts of the data were read.
            samples: How many samples these parts have.

        Returns:
            Whether the standard errors are worth computing.
        """
        if self.exactly is not None:
            return samples >= self.exactly
        return parts >= LEAST_PARTS and samples >= LEAST_SAMPLES

    def met(self, found: Spread | None) -> bool:
        """Whether the standard errors of all points are small enough.

        Args:
            found: The spread of all points; None if no mean is finite.

        Returns:
            Whether they are. On a constant surface, only errors of 0 are small enough.
        """
        return found is not None and found.error <= self.target * (found.highest - found.lowest)

    def reached(self, found: Spread | None) -> bool:
        """Whether no more data are read, if `possible` allows it.

        Args:
            found: The spread of all points.

        Returns:
            Whether the target is met, or the given number of samples was used.
        """
        return self.exactly is not None or self.met(found)

    def reported(
        self, loss: np.ndarray, error: np.ndarray | None, samples: int, available: int | None
    ) -> dict[str, Any]:
        """The entries of the report about the number of samples.

        Args:
            loss: Means over the samples, of all points.
            error: Their standard errors; None for a single sample.
            samples: How many samples were used.
            available: How many samples there are, if the data say it; else None.

        Returns:
            Plain values by name.
        """
        found = None if error is None else spread(loss.ravel(), error.ravel())
        met = self.met(found)
        if available is None and not met:  # so all samples were used
            available = samples
        span = None if found is None else found.highest - found.lowest
        return {"target": self.target, "met": met, "range": span, "available": available}


def spread(means: np.ndarray, errors: np.ndarray) -> Spread | None:
    """The spread of some points.

    Args:
        means: Mean losses [n].
        errors: Their standard errors [n].

    Returns:
        Largest error, lowest and highest mean; None if no mean is finite.
    """
    finite = np.isfinite(means)
    if not finite.any():
        return None
    return Spread(float(errors[finite].max()), float(means[finite].min()), float(means[finite].max()))


def spread_of_sums(sums: np.ndarray, samples: float, moments: int) -> Spread | None:
    """The spread of some points, from sums over at least two samples.

    Args:
        sums: Sums [n, measures]: of the losses first, and their moments last.
        samples: Number of samples, by weight.
        moments: Number of moments.

    Returns:
        As `spread`.
    """
    means = sums[:, 0] / samples
    errors = standard_error(means, sums[:, -moments:] / samples, samples)
    return None if errors is None else spread(means, errors)


def joint(several: Iterable[Spread | None]) -> Spread | None:
    """The spread of points that are divided among several processes.

    Args:
        several: The spread of the points of each process.

    Returns:
        The spread of all points.

    Example:
        >>> from fastscape.sampling import Spread, joint
        >>> joint([Spread(0.1, 0.0, 2.0), None, Spread(0.3, 1.0, 5.0)])
        Spread(error=0.3, lowest=0.0, highest=5.0)
    """
    found = [one for one in several if one is not None]
    if not found:
        return None
    errors, lowest, highest = zip(*found, strict=True)
    return Spread(max(errors), min(lowest), max(highest))
