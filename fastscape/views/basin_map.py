"""The basins of a landscape on its map, or on its curve, by matplotlib."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np

from fastscape.results import Basin
from fastscape.views.drawable import Drawable
from fastscape.views.figure_parts import outlined
from fastscape.views.map_picture import areas
from fastscape.views.path_pictures import draw_paths
from fastscape.views.plane import scale_of
from fastscape.views.topology_shown import ShownTopology

__all__ = ["draw_basins", "numbered"]

_WIDTH = 40  # letters of an axis label


def numbered(ax: Any, at: tuple[float, float], basin: Basin) -> None:
    """A dot with the number of a basin; hollow and grey where the basin may be noise.

    Args:
        ax: Where.
        at: The place.
        basin: The basin.
    """
    face, ink = ("black", "white") if basin.certain else ("white", "0.35")
    shape = {"boxstyle": "circle,pad=0.22", "facecolor": face, "edgecolor": "white" if basin.certain else ink}
    text = ax.annotate(str(basin.number), at, color=ink, fontsize=7, ha="center", va="center", bbox=shape, zorder=12)
    text.set_in_layout(False)


def draw_basins(ax: Any, shown: ShownTopology) -> Any:
    """Draws the basins of a plane on its map, or those of a line on its curve.

    Basins have outlines; each minimum is a dot with the number of its basin, each saddle a cross.

    Args:
        ax: Where.
        shown: The topology, of one axis or two.

    Returns:
        What has the colours; None for a line.
    """
    grid = shown.drawable()
    # Values of the grid have their own unit where they are drawn alone; here the scale is common.
    heights = shown.unit.scaled(shown.found.heights)[grid.order]
    labels = shown.found.labels[grid.order]
    plane = len(grid.axes) == 2
    coloured = None
    if plane:
        coloured = _map(ax, shown, grid, heights, labels)
    else:
        _line(ax, shown, grid, heights, labels)
    for basin in shown.found.basins:
        if basin.saddle_at is not None:
            _cross(ax, _place(shown, grid, basin.saddle_at, basin.saddle))
        numbered(ax, _place(shown, grid, basin.at, basin.minimum), basin)
    return coloured


def _place(shown: ShownTopology, grid: Drawable, at: tuple[int, ...], height: float) -> tuple[float, float]:
    """Where a point of the grid is drawn."""
    coordinates = shown.found.coordinates(at)
    units = zip(grid.units, coordinates, strict=True)
    first, *second = (float(unit.scaled(np.array(coordinate))) for unit, coordinate in units)
    return first, second[0] if second else shown.scaled(height)


def _cross(ax: Any, at: tuple[float, float]) -> None:
    (cross,) = ax.plot(*np.transpose([at]), "x", color="white", ms=6, markeredgewidth=1.6, zorder=11, label="_saddle")
    cross.set_path_effects(outlined(3, "black"))


def _map(ax: Any, shown: ShownTopology, grid: Drawable, heights: np.ndarray, labels: np.ndarray) -> Any:
    x, y = grid.axes
    coloured = areas(ax, (x, y, heights), shown.edges, shown.options, shown.colours)
    for basin in shown.found.basins if len(shown.found.basins) > 1 else ():
        own = (labels == basin.number).astype(float)
        lines = ax.contour(x, y, own.T, levels=[0.5], colors="white", linewidths=1.4, zorder=5)
        lines.set_path_effects(outlined(2.8, "black"))
    for mark in grid.carried.marks:
        (cross,) = ax.plot(*np.transpose([mark.at]), "+", color="white", ms=11, markeredgewidth=2, label=mark.name)
        cross.set_path_effects(outlined(3, "black"))
    draw_paths(ax, [(path, (*points.T,)) for path, points in grid.paths], legend=False)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    same = len(set(grid.units)) == 1
    similar = same and (0.5 <= np.ptp(x) / np.ptp(y) <= 2 or scale_of(shown.values()) is not None)
    xlabel, ylabel = (fill(text, _WIDTH) for text in grid.carried.labels)
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if similar else "auto")
    return coloured


def _line(ax: Any, shown: ShownTopology, grid: Drawable, heights: np.ndarray, labels: np.ndarray) -> None:
    (x,) = grid.axes
    ax.plot(x, heights, color="C0", zorder=3)
    borders = np.flatnonzero((labels[1:] != labels[:-1]) & (labels[1:] >= 0) & (labels[:-1] >= 0))
    for k in borders:
        ax.axvline(x[k] + 0.5 * (x[k + 1] - x[k]), color="0.8", linewidth=1, zorder=0)
    for mark in grid.carried.marks:
        ax.axvline(mark.at[0], color="0.5", linestyle=":", linewidth=1, label=mark.name)
    low, high = shown.ends
    margin = 0.05 * (high - low)  # for the dots at the ends
    ax.set(xlabel=fill(grid.carried.labels[0], _WIDTH), ylabel=shown.label, ylim=(low - margin, high + margin))
