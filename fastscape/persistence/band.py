"""Computes by how much the heights of a landscape may be off: half-widths of a band around them, source by source.

The stability of persistence depends on the largest error of all points, so each half-width holds for all points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

import numpy as np

from fastscape.results import SECTIONS, SHARES, Values, wilson_interval

__all__ = ["errors_of"]


def errors_of(values: Values, measure: str, heights: np.ndarray, scale: str, confidence: float) -> dict[str, float]:
    """Half-widths by their source, if the landscape knows them.

    "samples" and "directions" hold together, with the confidence, for the means over the populations from which
    samples and directions were drawn. The bound is Bonferroni's, over the evaluated points and the two sources, so it
    holds however errors at different points depend on each other. All points share their samples, so the bound is on
    the safe side. The quantile is from Student's t, or from the normal distribution if the number of draws is not
    known. The band of a share is Wilson's simultaneous band. In log10, an error e of a value f is `e / (f ln 10)`, to
    first order.

    "interpolation" belongs to the predicted points. For the loss it is the larger of two numbers, in the range of the
    heights: the largest error at held-out points, and the bound of the root mean square error. For other measures it
    is the root mean square error. It is an estimate of the largest error and no bound of it. For a slice or a
    projection it is the error of the whole landscape, in the range of the whole landscape.

    Args:
        values: The landscape.
        measure: The measure of the heights.
        heights: Of the grid; NaN outside.
        scale: "log10" or "linear".
        confidence: The confidence of samples and directions together.

    Returns:
        Half-widths in heights: "samples", "directions" and "interpolation", if known.
    """
    # Points of a section that were not evaluated are predicted from points beside the section.
    known, drawn = (values.evaluated | bool(values.report.get(SECTIONS))) & np.isfinite(heights), {}
    directions = measure in values.repeats
    samples = _knows_samples(values, measure)
    tail = (1 - confidence) / max(int(directions) + int(samples), 1)
    if samples:
        drawn["samples"] = _half_widths(values, measure, known, tail)
    if directions:
        error = values.direction_error(measure)
        drawn["directions"] = error * _quantile(tail, _count(error, known), values.repeated)
    found = {}
    for source, widths in drawn.items():
        at = known & np.isfinite(widths)
        if scale == "log10":
            at &= values.measures[measure] > 0
            widths = widths / np.where(at, values.measures[measure], 1.0) / math.log(10)
        if at.any():
            found[source] = float(widths[at].max())
    if (predicted := _predicted(values, measure, heights, scale)) is not None:
        found["interpolation"] = predicted
    return found


def _knows_samples(values: Values, measure: str) -> bool:
    if measure == "loss":
        return values.standard_error is not None
    shares = values.report.get(SHARES)
    return isinstance(shares, Mapping) and measure in shares


def _half_widths(values: Values, measure: str, known: np.ndarray, tail: float) -> np.ndarray:
    """Half-widths by samples [H, W, ...]; the probability that any point exceeds its own is at most `tail`."""
    if measure == "loss":
        assert values.standard_error is not None
        error, samples = values.standard_error, values.report.get("samples")
        return error * _quantile(tail, _count(error, known), samples if isinstance(samples, int) else None)
    low, high = wilson_interval(values, measure, 1 - tail / max(int(known.sum()), 1))
    share = values.measures[measure]
    return np.maximum(high - share, share - low)


def _count(error: np.ndarray, known: np.ndarray) -> int:
    return max(int((known & (error > 0)).sum()), 1)  # NaN is not above 0


def _quantile(tail: float, points: int, draws: int | None) -> float:
    """The number of standard errors by which any mean is off, on either side, with a probability of at most `tail`."""
    from scipy.special import ndtri, stdtrit  # imported only if needed: `import fastscape` stays lean

    above = tail / (2 * points)
    return -float(ndtri(above) if draws is None or draws < 2 else stdtrit(draws - 1, above))


def _predicted(values: Values, measure: str, heights: np.ndarray, scale: str) -> float | None:
    """The error of predicted points; None if there are no such points, or the report does not say their error."""
    report, spans = _refinement(values)
    finite = heights[np.isfinite(heights)]
    own: Any = "linear"
    if report is None:
        return None
    if measure == "loss":
        shares, own = [report.get("largest"), report.get("at_most")], report.get("scale")
    else:
        rms = report.get("metrics_rms")
        shares = [rms.get(measure) if isinstance(rms, Mapping) else None]
    known = [share for share in shares if _is_from_0(share)]
    if not known or own not in ("log10", "linear"):
        return None
    raw = 10**finite if scale == "log10" else finite
    given = spans.get(measure) if isinstance(spans, Mapping) else None
    span = given if _is_from_0(given) else float(np.ptp(np.log10(raw[raw > 0]) if own == "log10" else raw))
    error = max(known) * span
    if own == scale:
        return float(error)
    if scale == "log10":  # errors of values, which are as large at the smallest value as anywhere
        return float(error / raw.min() / math.log(10))
    return float(raw.max() * (10**error - 1))


def _refinement(values: Values) -> tuple[Mapping[str, Any] | None, Any]:
    """How good predicted points are, and for a section the ranges of the errors; None if no point is predicted."""
    sections = values.report.get(SECTIONS, [])
    sections = [said for said in sections if isinstance(said, Mapping)] if isinstance(sections, list) else []
    # The smallest of several values may be an evaluated value, although a smaller value was predicted too high.
    if values.evaluated.all() and not any(said.get("how") == "min" for said in sections):
        return None, None
    for said in ({"refinement": values.report.get("refinement")}, *reversed(sections)):
        if isinstance(found := said.get("refinement"), Mapping):
            return found, said.get("spans")
    return None, None


def _is_from_0(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
