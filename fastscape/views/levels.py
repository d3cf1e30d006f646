"""The heights of the contour lines of a map, and its colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results import colour_ends, signed
from fastscape.views.drawable import Drawable
from fastscape.views.units import Unit, height_of

__all__ = ["DIVERGING", "SEQUENTIAL", "beyond_clip", "colours_of", "crowded_said", "levels_of", "round_levels"]

FEW, CROWDED = (
    0.02,
    0.4,
)  # if the highest FEW of the points leave less than CROWDED of the colours, the rest looks flat
FEWEST = 100  # on fewer points, the colours are not judged
SEQUENTIAL = "viridis"  # of two maps with even lightness, its levels are easier to tell apart for every kind of vision
DIVERGING = "coolwarm"  # for measures of both signs, which have a middle


def levels_of(z: np.ndarray, levels: Any, unit: Unit, usual: int) -> np.ndarray:
    """The levels of a map: about the wanted number at round values, or the given levels.

    Args:
        z: Heights, in their unit.
        levels: The approximate number of levels, or increasing heights; None for the usual number.
        unit: The unit of the heights.
        usual: The approximate number of levels by default.

    Returns:
        The levels [n], in the unit.

    Raises:
        ValueError: When `levels` is neither a number of levels nor increasing heights.
    """
    levels = usual if levels is None else levels
    if isinstance(levels, int | np.integer) and not isinstance(levels, bool) and levels >= 1:
        return round_levels(z, int(levels))
    try:
        given = np.array([] if isinstance(levels, str | int) else levels, float).ravel()
    except (TypeError, ValueError):
        given = np.empty(0)
    if len(given) < 2 or not np.isfinite(given).all() or not (np.diff(given) > 0).all():
        raise ValueError(
            f"levels must be a number of at least 1, or two or more increasing values, got {str(levels)[:100]}; for "
            "example 25 or [0.1, 0.5, 2]"
        )
    return unit.scaled(given)


def colours_of(
    metric: str, ends: np.ndarray | tuple[float, float], cmap: str | None, *, log: bool = False
) -> dict[str, Any]:
    """The colours of a map; for a metric of both signs, 0 is in the middle.

    Args:
        metric: The measure that is drawn.
        ends: Heights, of which the lowest and the highest are used.
        cmap: The name of the colour map; None for the default.
        log: Whether the heights are logarithms, for which 0 is not in the middle. Default False.

    Returns:
        "cmap", and "vmin" and "vmax", which are None for the range of the levels.
    """
    low, high = float(np.min(ends)), float(np.max(ends))
    if not signed(metric, low, high, log=log):
        return {"cmap": cmap or SEQUENTIAL, "vmin": None, "vmax": None}
    first, last = colour_ends(metric, low, high)
    return {"cmap": cmap or DIVERGING, "vmin": first, "vmax": last}


def beyond_clip(shown: Drawable, options: Any) -> str:
    """The ends of the colour bar that have arrows, because `clip` has moved values there.

    Args:
        shown: The picture.
        options: "clip".

    Returns:
        "max", "both" or "neither", as matplotlib wants it.
    """
    clip, (least, most) = options["clip"], shown.extremes
    if clip is None or most <= clip:
        return "neither" if clip is None or least >= -clip or not signed(shown.vertical.metric, least, most) else "min"
    return "both" if least < -clip and signed(shown.vertical.metric, least, most) else "max"


def crowded_said(shown: Drawable, options: Any) -> list[str]:
    """The sentence that suggests `clip` if few points, such as a corner, take most of the colours.

    Args:
        shown: The picture.
        options: "clip" and "scale".

    Returns:
        One sentence without its full stop; none if the colours are spread evenly, or `clip` or `scale` is set.
    """
    z = shown.heights[np.isfinite(shown.heights)]
    if options["clip"] is not None or options["scale"] is not None or z.size < FEWEST:
        return []
    low, most, high = float(z.min()), float(np.quantile(z, 1 - FEW)), float(z.max())
    if (
        not low < most
        or most - low > CROWDED * (high - low)
        or signed(shown.vertical.metric, low, high, log=shown.vertical.log)
    ):
        return []
    height = float(Unit(-shown.unit.exponent).scaled(np.array(most)))
    with np.errstate(over="ignore"):
        clip = 10.0**height if shown.vertical.log else height
    share = 100 * (high - most) / (high - low)
    return [f"{100 * FEW:g} % of the points take {share:.0f} % of the colours; try clip={clip:.2g}"]


def round_levels(z: np.ndarray, count: int) -> np.ndarray:
    """Levels at round values.

    Args:
        z: Heights.
        count: The approximate number of levels.

    Returns:
        The levels [n]; all heights are between the first and the last level.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    # Heights that are constant up to rounding are between two levels.
    margin = 0.0 if high - low == height_of(low, high) else max(abs(low), 1.0) * 1e-3
    return np.asarray(MaxNLocator(count).tick_values(low - margin, high + margin))
