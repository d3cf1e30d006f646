"""The band around a curve that is a mean over random directions: the spread over the directions."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results import Values
from fastscape.views.drawable import Drawable
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import FAR

__all__ = ["direction_band", "mean_label"]

LOW, HIGH = 0.1, 0.9  # quantiles at the edges of the band
FEW = 8  # up to this number, directions are also drawn one by one; more would merge into a band


def mean_label(landscape: Values, shown: Drawable) -> str:
    """The label of the curve in a legend.

    Args:
        landscape: The landscape.
        shown: The picture.

    Returns:
        The label, with the number of directions if the curve is a mean over several.
    """
    if shown.vertical.metric not in landscape.repeats:
        return shown.label
    name = literal(cleaned(shown.vertical.metric, LABEL))  # log curves show the logarithm of the mean
    return f"{name}, mean of {landscape.repeated} directions"


def direction_band(ax: Any, landscape: Values, shown: Drawable, clip: float | None, colour: Any) -> list[Any]:
    """Draws the band between two quantiles over the directions of a line; a few directions are also drawn one by one.

    Args:
        ax: The axes.
        landscape: The landscape, of one axis.
        shown: The picture.
        clip: Larger values are drawn at `clip`; None for no limit.
        colour: The colour of the mean curve.

    Returns:
        The objects for the legend; none if the curve is not a mean over directions.
    """
    metric, (x,) = shown.vertical.metric, shown.axes
    if metric not in landscape.repeats:
        return []

    def placed(values: np.ndarray) -> np.ndarray:
        clipped = values if clip is None else np.where(values > clip, clip, values)
        found = shown.vertical.of(clipped)[shown.order]
        return np.where(np.abs(found) > 10.0**FAR, np.nan, found)

    low, high = map(placed, landscape.quantiles([LOW, HIGH], metric))
    named = f"{100 * LOW:.0f} % to {100 * HIGH:.0f} % of the directions"
    drawn = [ax.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0, label=named)]
    if landscape.repeated <= FEW:
        single = [ax.plot(x, placed(one), color=colour, alpha=0.6, linewidth=0.6) for one in landscape.repeats[metric]]
        single[0][0].set_label("single directions")
        drawn += single[0]
    return drawn
