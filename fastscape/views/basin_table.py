"""Basin radii as text for a terminal, and in sentences."""

from __future__ import annotations

from textwrap import fill

import numpy as np

from fastscape.results import BasinValues, Interval, RadiusUnit
from fastscape.views.tables import WIDTH, columns
from fastscape.views.texts import LABEL, cleaned

__all__ = ["basin_range", "basin_text"]

_UNITS: dict[RadiusUnit, str] = {
    "coordinate": "of the direction",
    "length": "Euclidean",
    "relative": "of the weights' norm",
}
_QUANTILES = {"tenth": 0.1, "median": 0.5, "nine tenths": 0.9}


def basin_text(found: BasinValues) -> str:
    """Median, quantiles and mean of the radius in every unit, with confidence intervals, and facts of the search.

    Args:
        found: The radii.

    Returns:
        Lines of at most 100 columns.
    """
    rows = [("radius", *_UNITS.values())]
    for name, q in _QUANTILES.items():
        intervals = (found.quantile(q, unit=unit) for unit in _UNITS)
        rows.append((name, *map(_shortly, intervals)))
    if not found.censored.any():
        rows.append(("mean", *(_shortly(found.mean(unit=unit)) for unit in _UNITS)))
    title = f"{basin_range(found)}, along {found.count} random directions"
    return "\n".join([fill(title, WIDTH), "", *columns(rows), "", *(fill(said, WIDTH) for said in _said(found))])


def basin_range(found: BasinValues) -> str:
    """The score at the model, and the range that it must stay within.

    Args:
        found: The radii.

    Returns:
        For example "loss, 0.31 at the model, up to 0.3255 (5 % higher)".
    """
    drop, worse = found.settings.get("drop"), found.settings.get("worse", "higher")
    share = f" ({100 * drop:g} % {worse})" if isinstance(drop, int | float) else ""
    way = "up to" if worse == "higher" else "down to"
    return f"{cleaned(found.measure, LABEL)}, {found.score:.4g} at the model, {way} {found.level:.4g}{share}"


def _shortly(interval: Interval) -> str:
    return f"{_number(interval.value)} [{_number(interval.low)}, {_number(interval.high)}]"


def _number(value: float) -> str:
    return f"{value:.3g}" if np.isfinite(value) else "-"


def _said(found: BasinValues) -> list[str]:
    confidence = 100 * found.confidence
    said = [
        f"In brackets: {confidence:g} % confidence intervals over all directions: of quantiles by order statistics, "
        "with at least this coverage; of the mean by Student's t. -: beyond the limit of the search, or no bound. "
        "The radii hold for these samples; different samples have different radii."
    ]
    if lost := int(found.censored.sum()):
        limit = found.inside[found.censored].min()
        instead = f": write a larger limit to find it, for example limit={4 * limit:.3g}"
        unknown = f", so the median is not known{instead}" if np.isinf(found.median.value) else ""
        said.append(
            f"Along {lost} of {found.count} directions the score is still within the range at {limit:.4g}{unknown}."
        )
    resolution, tolerance = found.report.get("resolution", {}), found.settings.get("tolerance")
    if isinstance(resolution, dict) and "spacing" in resolution and isinstance(tolerance, int | float):
        finest = resolution.get("finest", np.nan)
        finer = f", down to {finest:.2g} along directions with short radii" if resolution.get("finer") else ""
        said.append(
            f"Scanned in steps of {resolution['spacing']:.3g}{finer}; a score that leaves the range and returns "
            f"within a step is not seen. Each radius is known to {100 * tolerance:g} %."
        )
    return said
