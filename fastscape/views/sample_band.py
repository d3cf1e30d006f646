"""The band around the loss of a line: its standard error as a mean over samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results import Values
from fastscape.views.drawable import Drawable
from fastscape.views.units import FAR

__all__ = ["sample_band"]


def sample_band(ax: Any, landscape: Values, shown: Drawable, clip: float | None, colour: Any) -> list[str]:
    """Draws a band of two standard errors around the loss of a line.

    Args:
        ax: The axes.
        landscape: The landscape, of one axis.
        shown: The picture.
        clip: Values above it are drawn at it; None for none.
        colour: Of the curve.

    Returns:
        What a note says of the band, without its full stop; nothing if no band is drawn: of a metric, of a mean over
        random directions, which has its own band, and without a known error above 0.
    """
    error, metric = landscape.standard_error, shown.vertical.metric
    if metric != "loss" or metric in landscape.repeats or error is None or not (error > 0).any():
        return []
    loss, known = landscape.loss, np.where(np.isfinite(error), error, 0.0)

    def placed(values: np.ndarray) -> np.ndarray:
        clipped = values if clip is None else np.minimum(values, clip)
        if shown.vertical.log:  # below 0 there is no logarithm, and the band ends at the smallest value that has one
            positive = clipped[clipped > 0]
            clipped = np.where(clipped > 0, clipped, positive.min() if positive.size else shown.vertical.smallest)
        found = shown.vertical.of(clipped)[shown.order]
        return np.asarray(np.where(np.abs(found) > 10.0**FAR, np.nan, found))

    (x,) = shown.axes
    ax.fill_between(x, placed(loss - 2 * known), placed(loss + 2 * known), color=colour, alpha=0.2, linewidth=0)
    return ["band: two standard errors of the mean loss over samples"]
