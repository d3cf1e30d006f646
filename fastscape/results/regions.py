"""How large the regions of basins are: connected parts of a grid below a level, each point with its cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Extent", "Place", "at_edge", "cell_sizes", "extents", "whole"]

Place = tuple[tuple[int, ...], float, "int | None"]
"""A basin: the grid index of its minimum, the height of its saddle, the number of the basin that it joins."""


class Extent(NamedTuple):
    """How large a basin is.

    Args:
        points: How many points of the grid drain into it, at any height.
        level: The height below which its region is measured.
        volume: Of the region, in the product of the units of the axes.
        width: Of the region along each axis, in its unit.
    """

    points: int
    level: float
    volume: float
    width: tuple[float, ...]


def cell_sizes(axes: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """How long the cell of each point is along each axis: up to half-way to its neighbours, and to no end of the axis.

    Args:
        axes: Coordinates by the name of the axis, rising or falling.

    Returns:
        Lengths for each axis; they add up to its range. 1 where an axis has one point.
    """
    found = []
    for axis in axes.values():
        steps = np.abs(np.diff(axis)) / 2
        found.append(np.concatenate([steps, [0.0]]) + np.concatenate([[0.0], steps]) if len(axis) > 1 else np.ones(1))
    return found


def at_edge(heights: np.ndarray, at: tuple[int, ...]) -> bool:
    """Whether a point lies at the border of a grid, or beside one that is outside.

    Args:
        heights: Of the grid, NaN outside.
        at: The grid index of the point.

    Returns:
        Whether it does; an axis of one point has no border.
    """
    for axis, (k, count) in enumerate(zip(at, heights.shape, strict=True)):
        if count > 1:
            if k in (0, count - 1):
                return True
            beside = [heights[(*at[:axis], j, *at[axis + 1 :])] for j in (k - 1, k + 1)]
            if not np.isfinite(beside).all():
                return True
    return False


def whole(sizes: Sequence[np.ndarray]) -> float:
    """The volume of all cells of a grid, those outside too."""
    return math.prod(float(size.sum()) for size in sizes)


def extents(
    heights: np.ndarray,
    labels: np.ndarray,
    basins: Sequence[Place],
    axes: Mapping[str, np.ndarray],
    level: float | None = None,
) -> list[Extent]:
    """How large basins are below a level. See `TopologyValues.volume`.

    Args:
        heights: Of the grid, NaN outside.
        labels: The number of the basin of each point; -1 outside.
        basins: The basins by number, the deepest first.
        axes: Coordinates by the name of the axis.
        level: In heights. Default: for each its own, see `TopologyValues.volume`.

    Returns:
        The extent of each.
    """
    from scipy import ndimage  # not before it is needed: `import fastscape` stays lean

    sizes, boxes = cell_sizes(axes), ndimage.find_objects(labels + 1)
    counts = np.bincount(labels[labels >= 0], minlength=len(basins))
    within = _below(basins)
    found = []
    for number, (at, saddle, _) in enumerate(basins):
        own, strictly = (saddle, True) if level is None or level >= saddle else (float(level), False)
        if level is None and math.isinf(saddle):
            own = _to_the_next(number, basins, heights)
        members = within[number]
        box = _around([boxes[k] for k in members])
        member = np.zeros(len(basins) + 1, dtype=bool)  # the last one for -1, outside
        member[members] = True
        part = heights[box]
        inside = member[labels[box]] & ((part < own) if strictly else (part <= own))
        there = tuple(k - side.start for k, side in zip(at, box, strict=True))
        region = np.zeros_like(inside)
        if inside[there]:
            parts, _ = ndimage.label(inside)
            region = parts == parts[there]
        cells = [size[side] for size, side in zip(sizes, box, strict=True)]
        found.append(Extent(int(counts[number]), own, _volume(region, cells), _width(region, cells)))
    return found


def _to_the_next(number: int, basins: Sequence[Place], heights: np.ndarray) -> float:
    """The height of the saddle at which the most persistent one joins a basin; infinite where none does."""
    joining = [(saddle - heights[at], saddle) for at, saddle, joins in basins if joins == number]
    return float(max(joining, key=lambda pair: pair[0], default=(0.0, math.inf))[1])


def _below(basins: Sequence[Place]) -> list[list[int]]:
    """For each basin itself and all that join it, directly or not: what its region can reach below its saddle."""
    found = [[number] for number in range(len(basins))]
    for number in reversed(range(len(basins))):  # what joins has the higher number
        joins = basins[number][2]
        if joins is not None:
            found[joins] += found[number]
    return found


def _around(boxes: Sequence[Any]) -> tuple[slice, ...]:
    """The box around several boxes."""
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )


def _volume(region: np.ndarray, cells: Sequence[np.ndarray]) -> float:
    total = region.astype(np.float64)
    for size in reversed(cells):
        total = total @ size
    return float(total)


def _width(region: np.ndarray, cells: Sequence[np.ndarray]) -> tuple[float, ...]:
    found = []
    for axis, size in enumerate(cells):
        reached = np.flatnonzero(region.any(axis=tuple(k for k in range(region.ndim) if k != axis)))
        found.append(float(size[reached[0] : reached[-1] + 1].sum()) if len(reached) else 0.0)
    return tuple(found)
