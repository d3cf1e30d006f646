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
from fastscape.views.sizes import letters, weight
from fastscape.views.topology_shown import ShownTopology

__all__ = ["draw_basins", "numbered", "offsets_of"]

_WIDTH = 40  # letters of an axis label


def numbered(ax: Any, at: tuple[float, float], basin: Basin, offset: tuple[float, float] = (0, 0)) -> None:
    """Draws a dot with the number of a basin; hollow and grey if the basin may be noise.

    Args:
        ax: The axes to draw on.
        at: The place of the minimum.
        basin: The basin.
        offset: Distance of the number from the place in points; a line connects them. Default: no distance.
    """
    face, ink = ("black", "white") if basin.certain else ("white", "0.35")
    shape = {"boxstyle": "circle,pad=0.22", "facecolor": face, "edgecolor": "white" if basin.certain else ink}
    style: dict[str, Any] = {"color": ink, "fontsize": letters(), "ha": "center", "va": "center", "zorder": 12}
    if offset != (0, 0):
        style["arrowprops"] = {"arrowstyle": "-", "color": "white", "linewidth": 1, "shrinkB": 0, "shrinkA": 0}
        style["arrowprops"]["path_effects"] = outlined(2.5, "black")
    text = ax.annotate(str(basin.number), at, offset, textcoords="offset points", bbox=shape, **style)
    text.set_in_layout(False)


def offsets_of(places: np.ndarray, apart: float) -> list[tuple[float, float]]:
    """Offsets of numbers from their places, so that no number hides a different number.

    Args:
        places: The places [n, 2], in points.
        apart: The smallest distance between two numbers, in points.

    Returns:
        Offsets from the places, in points: (0, 0) if the number has room at its place, else the nearest of a few
        positions that has room.
    """
    turns = np.linspace(0, 2 * np.pi, 8, endpoint=False) + np.pi / 4
    around = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    tries = np.concatenate([np.zeros((1, 2)), *(1.15 * apart * far * around for far in (1, 2, 3))])
    taken, found = np.empty((0, 2)), []
    for k, place in enumerate(places):
        beside = np.concatenate([taken, places[k + 1 :]])  # later numbers may be at their places
        room = [np.inf if not len(beside) else np.linalg.norm(place + one - beside, axis=1).min() for one in tries]
        if len(taken) and np.linalg.norm(place - taken, axis=1).min() < apart:
            best = next((j for j, free in enumerate(room) if j and free >= apart), int(np.argmax(room)))
        else:
            best = 0
        found.append((float(tries[best][0]), float(tries[best][1])))
        taken = np.concatenate([taken, [place + tries[best]]])
    return found


def draw_basins(ax: Any, shown: ShownTopology) -> Any:
    """Draws the basins of a plane on its map, or the basins of a line on its curve.

    Basins have outlines. Each minimum is a dot with the number of its basin, each saddle a cross.

    Args:
        ax: The axes to draw on.
        shown: The topology, of one axis or two.

    Returns:
        The drawn object whose colours the colour bar explains; None for a line.
    """
    grid = shown.drawable()
    # A map by itself chooses a unit for its values; here the scale is common.
    heights = shown.unit.scaled(shown.found.heights)[grid.order]
    labels = shown.found.labels[grid.order]
    plane = len(grid.axes) == 2
    coloured = None
    if plane:
        coloured = _map(ax, shown, grid, heights, labels)
    else:
        _line(ax, shown, grid, heights, labels)
    minima = [_place(shown, grid, basin.at, basin.minimum) for basin in shown.found.basins]
    for basin in shown.found.basins:
        if basin.saddle_at is not None:
            _cross(ax, _place(shown, grid, basin.saddle_at, basin.saddle))
    for basin, place, offset in zip(shown.found.basins, minima, _offsets(ax, minima), strict=True):
        numbered(ax, place, basin, offset)
    return coloured


def _offsets(ax: Any, minima: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Offsets of the numbers from their minima, on axes with final limits whose place may still change."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    box = ax.get_position()
    size = np.array([box.width, box.height]) * ax.figure.get_size_inches() * 72
    if ax.get_aspect() != "auto":  # with equal scales, both sides are as long as the shorter one
        size[:] = size.min()
    places = (np.array(minima).reshape(-1, 2) - [left, bottom]) / [right - left, top - bottom] * size
    return offsets_of(places, 2.0 * letters())


def _place(shown: ShownTopology, grid: Drawable, at: tuple[int, ...], height: float) -> tuple[float, float]:
    """The position in the picture of a grid point."""
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
        (cross,) = ax.plot(
            *np.transpose([mark.at]), "+", color="white", ms=11 * weight(), markeredgewidth=2, label=mark.name
        )
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
