"""At which heights the lines of a map lie."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results import colour_ends, signed
from fastscape.views.units import Unit, height_of

__all__ = ["colours_of", "levels_of", "round_levels"]


def levels_of(z: np.ndarray, levels: Any, unit: Unit, usual: int) -> np.ndarray:
    """The levels of a map: about so many at round values, or those that were given.

    Args:
        z: Heights, in their unit.
        levels: How many, or rising heights; None for the usual number.
        unit: The unit of the heights.
        usual: About how many there are where nothing else is asked for.

    Returns:
        The levels [n], in the unit.

    Raises:
        ValueError: When `levels` is neither.
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
            f"levels={str(levels)[:100]} came; wanted a number of them, at least 1, or two and more that rise, for "
            "example 25 or [0.1, 0.5, 2]"
        )
    return unit.scaled(given)


def colours_of(metric: str, ends: np.ndarray | tuple[float, float], cmap: str | None) -> dict[str, Any]:
    """The colours of a map: of a metric of both signs, with 0 in the middle.

    Args:
        metric: What is drawn.
        ends: Heights, of which the lowest and the highest count.
        cmap: The name of the colour map; None for the usual one.

    Returns:
        "cmap", and "vmin" and "vmax", which are None for the range of the levels.
    """
    low, high = float(np.min(ends)), float(np.max(ends))
    if not signed(metric, low, high):
        return {"cmap": cmap or "viridis", "vmin": None, "vmax": None}
    first, last = colour_ends(metric, low, high)
    return {"cmap": cmap or "coolwarm", "vmin": first, "vmax": last}


def round_levels(z: np.ndarray, count: int) -> np.ndarray:
    """Levels at round values.

    Args:
        z: Heights.
        count: About how many.

    Returns:
        The levels [n], which the heights lie within.
    """
    from matplotlib.ticker import MaxNLocator

    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    # What is constant to rounding lies between two levels.
    margin = 0.0 if high - low == height_of(low, high) else max(abs(low), 1.0) * 1e-3
    return np.asarray(MaxNLocator(count).tick_values(low - margin, high + margin))
