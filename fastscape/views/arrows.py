"""Arrows of descent on a contour map."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results import Values, gradient
from fastscape.views.drawable import Drawable

__all__ = ["draw_descent"]

USUAL = 16  # largest number of arrows along an axis, by default
SHORTEST, LONGEST = 0.3, 0.9  # lengths of arrows, as fractions of the distance between neighbouring arrows
DECADES = 3  # decades of steepness between the shortest and the longest arrow


def draw_descent(ax: Any, landscape: Values, shown: Drawable, count: Any) -> None:
    """Draws arrows along `-(dL/dx, dL/dy)` at some points of the grid.

    Points have no arrow if the loss is not finite or its slope is 0.

    Args:
        ax: The axes to draw on.
        landscape: The landscape.
        shown: The landscape made ready to be drawn.
        count: True for the default number, or the largest number of arrows along an axis.

    Raises:
        ValueError: When the landscape has no derivatives, or the count is not valid.
    """
    if count is not True and (isinstance(count, bool | float) or not count >= 1):
        raise ValueError(
            f"arrows must be True, or the number of arrows along an axis, got {count!r:.80}; for example 16"
        )
    most = USUAL if count is True else int(count)
    numbers, cells = zip(*(_spread(axis, most) for axis in shown.axes), strict=True)
    some = np.ix_(*numbers)
    slopes = np.stack([grid[some] for grid in _slopes(landscape, shown)])
    steepness = np.hypot(*slopes)
    drawn = np.isfinite(steepness) & (steepness > 0)
    if not drawn.any():
        return
    # In units of a cell, so that the length does not depend on the direction; directions are those of the coordinates.
    parts = [-unit.scaled(slope[drawn]) / cell for unit, slope, cell in zip(shown.units, slopes, cells, strict=True)]
    decades = np.log10(steepness[drawn] / steepness[drawn].max()) / DECADES + 1
    lengths = (SHORTEST + (LONGEST - SHORTEST) * np.clip(decades, 0, 1)) / np.hypot(*parts)
    u, v = (part * lengths * cell for part, cell in zip(parts, cells, strict=True))
    x, y = np.meshgrid(*(axis[few] for axis, few in zip(shown.axes, numbers, strict=True)), indexing="ij")
    ax.quiver(
        x[drawn], y[drawn], u, v, angles="xy", scale_units="xy", scale=1, pivot="mid", width=0.0035, headwidth=4.5,
        headlength=5, headaxislength=4.2, color="white", edgecolor="black", linewidth=0.5, zorder=2.5, label="descent",
    )  # fmt: skip


def _slopes(landscape: Values, shown: Drawable) -> np.ndarray:
    """The derivatives along x and y [2, H, W], in the order of the picture."""
    return np.moveaxis(gradient(landscape)[shown.order], -1, 0)


def _spread(axis: np.ndarray, most: int) -> tuple[np.ndarray, float]:
    """Indices of at most `most` evenly spaced coordinates between the ends, and their spacing."""
    last = len(axis) - 1
    stride = max(-(-last // most), 1)
    first = stride // 2 if last % stride == 0 else last % stride // 2
    return np.arange(first, len(axis), stride), float(np.ptp(axis)) * stride / last
