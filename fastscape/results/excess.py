"""Computes the excess of a measure along a straight line between two models, over the chord between its end values.

With m(t) a measure at `(1 - t) a + t b`, its excess is `m(t) - ((1 - t) m(0) + t m(1))`. The bad sign is not known
here: a loss gets worse upwards, an accuracy downwards. So the largest and the most negative excess are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastscape.results.values import Values

__all__ = [
    "EXCESS_ERRORS",
    "Excess",
    "MeasureBarrier",
    "excess_over_chord",
    "farthest_points",
    "measure_barrier",
    "not_finite_said",
]

EXCESS_ERRORS = "excess_standard_errors"
"""The key of a line's report for the paired standard errors of the largest and most negative excess, by measure."""


@dataclass(frozen=True)
class Excess:
    """The largest distance of a measure from the chord between its ends.

    Args:
        at: The place t of the line, from 0 to 1.
        value: The excess there; NaN or infinite if the measure is.
        standard_error: The standard error of the excess, as an estimate for the population from which the samples
            were drawn; 0 at an end; None if it is not known.
        paired: Whether the standard error is computed from the differences, sample by sample. If not, it is the sum
            of the standard errors of the points, an upper bound. Default True.
    """

    at: float
    value: float
    standard_error: float | None = None
    paired: bool = True

    def __str__(self) -> str:
        error = "" if self.standard_error is None else f"{self.standard_error:.2g}"
        said = error and (f" ± {error}" if self.paired else f" ± at most {error}")
        return f"{self.value:.4g}{said} at t = {self.at:.3g}"


@dataclass(frozen=True)
class MeasureBarrier:
    """The barrier of one measure along a straight line.

    Args:
        name: The name of the measure.
        start: Its value at the first model, t = 0.
        end: Its value at the second model, t = 1.
        highest: The largest excess, the barrier; 0 at an end if the measure is nowhere above the chord.
        lowest: The most negative excess; 0 at an end if the measure is nowhere below the chord.
        above_mean: The largest value minus the mean of the ends, as in Frankle et al. 2020.
        below_mean: The smallest value minus the mean of the ends.
    """

    name: str
    start: float
    end: float
    highest: Excess
    lowest: Excess
    above_mean: float
    below_mean: float

    @property
    def farthest(self) -> Excess:
        """The excess of both that is farther from 0; NaN if the measure is NaN at a point."""
        return self.lowest if abs(self.lowest.value) > abs(self.highest.value) else self.highest


def excess_over_chord(line: Values, measure: str = "loss") -> np.ndarray:
    """The excess of a measure over the chord between its ends.

    Args:
        line: A line from 0 to 1.
        measure: "loss" or the name of a metric. Default "loss".

    Returns:
        Excess [H], 0 at both ends; NaN if an end is not finite.

    Raises:
        ValueError: When there is no such measure.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, excess_over_chord
        >>> excess_over_chord(Values({"x": np.array([0.0, 0.5, 1.0])}, {"loss": np.array([1.0, 4.0, 3.0])})).tolist()
        [0.0, 2.0, 0.0]
    """
    if measure not in line.measures:
        raise ValueError(f"{measure!r:.80} is no measure of this line; it has {', '.join(line.measures):.200}")
    values, (t,) = line.measures[measure], line.axes.values()
    with np.errstate(invalid="ignore", over="ignore"):
        found = values - (values[0] + t * (values[-1] - values[0]))
    found[[0, -1]] = np.where(np.isfinite(values[[0, -1]]), 0.0, np.nan)
    return np.asarray(found)


def farthest_points(line: Values, measure: str) -> tuple[int, int]:
    """The numbers of the points with the largest and with the most negative excess; the first NaN counts as both.

    Args:
        line: A line from 0 to 1.
        measure: The name of a measure.

    Returns:
        Both numbers.
    """
    found = excess_over_chord(line, measure)
    return int(found.argmax()), int(found.argmin())


def not_finite_said(line: Values, measure: str) -> list[str]:
    """Says at how many points a measure is not finite.

    Args:
        line: A line.
        measure: The name of a measure.

    Returns:
        A list with a sentence without its full stop; empty if all values are finite.
    """
    values = line.measures[measure]
    kinds = {"NaN": np.isnan(values).sum(), "infinite": np.isinf(values).sum()}
    said = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return [f"{measure:.80} is not finite at some of {values.size} points of the line ({said})"] if said else []


def measure_barrier(line: Values, measure: str) -> MeasureBarrier:
    """The barrier of a measure along a line.

    Args:
        line: A line from 0 to 1.
        measure: The name of a measure.

    Returns:
        The ends of the measure, and both excesses.
    """
    values = line.measures[measure]
    start, end = float(values[0]), float(values[-1])
    high, low = (_excess(line, measure, which, place) for which, place in enumerate(farthest_points(line, measure)))
    with np.errstate(invalid="ignore", over="ignore"):
        mean = start / 2 + end / 2
        above, below = float(values.max() - mean), float(values.min() - mean)
    return MeasureBarrier(measure, start, end, high, low, above, below)


def _excess(line: Values, measure: str, which: int, place: int) -> Excess:
    """The largest (0) or the most negative (1) excess, with its standard error if known."""
    t, value = float(line.axes["x"][place]), float(excess_over_chord(line, measure)[place])
    known = line.report.get(EXCESS_ERRORS, {}).get(measure)
    if known is not None:
        return Excess(t, value, known[which])
    single = line.standard_error
    if measure != "loss" or single is None:
        return Excess(t, value)
    bound = 0.0 if place in (0, len(single) - 1) else single[place] + (1 - t) * single[0] + t * single[-1]
    return Excess(t, value, float(bound), paired=False)
