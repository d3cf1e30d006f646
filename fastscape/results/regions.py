"""Measures the regions of basins: connected parts of a grid below a level; each point counts with its cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

__all__ = ["Extent", "at_edge", "cell_sizes", "extent_of", "regions_below", "whole"]


class Extent(NamedTuple):
    """How large a basin is.

    Args:
        points: How many points of the grid drain into it, at any height.
        level: The height below which its region is measured.
        volume: The volume of the region, in the product of the units of the axes.
        width: The width of the region along each axis, in its unit.
    """

    points: int
    level: float
    volume: float
    width: tuple[float, ...]


def cell_sizes(axes: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The length of each point's cell along each axis: half-way to its neighbours, and not beyond an end of the axis.

    Args:
        axes: Coordinates by the name of the axis, rising or falling.

    Returns:
        Lengths for each axis; they add up to its range. 1 if an axis has one point.
    """
    found = []
    for axis in axes.values():
        steps = np.abs(np.diff(axis / 2))  # no difference is beyond the limits of float64
        found.append(np.concatenate([steps, [0.0]]) + np.concatenate([[0.0], steps]) if len(axis) > 1 else np.ones(1))
    return found


def at_edge(heights: np.ndarray, at: tuple[int, ...]) -> bool:
    """Whether a point is at the border of a grid, or beside a point that is outside.

    Args:
        heights: The heights of the grid, NaN outside.
        at: The grid index of the point.

    Returns:
        Whether it is; an axis of one point has no border.
    """
    for axis, (k, count) in enumerate(zip(at, heights.shape, strict=True)):
        if count > 1:
            if k in (0, count - 1):
                return True
            beside = [heights[(*at[:axis], j, *at[axis + 1 :])] for j in (k - 1, k + 1)]
            if not np.isfinite(beside).all():
                return True
    return False


@np.errstate(over="ignore")  # of axes near the limits of float64
def whole(sizes: Sequence[np.ndarray]) -> float:
    """The volume of all cells of a grid, including cells outside."""
    return math.prod(float(size.sum()) for size in sizes)


@np.errstate(over="ignore")
def extent_of(points: int, level: float, region: Sequence[np.ndarray], cells: Sequence[np.ndarray]) -> Extent:
    """The extent of a region.

    Args:
        points: How many points drain into the basin.
        level: The upper bound of the heights in the region.
        region: The indices of the region's points along each axis, [n] each.
        cells: The sizes of all cells along each axis, as `cell_sizes` gives them.

    Returns:
        The extent; without points its width is 0.
    """
    along = [size[indices] for size, indices in zip(cells, region, strict=True)]
    width = [_between(size, indices) for size, indices in zip(cells, region, strict=True)]
    return Extent(points, level, float(np.prod(along, axis=0).sum()), tuple(width))


def regions_below(heights: np.ndarray, level: float, minima: Sequence[tuple[int, ...]]) -> list[list[np.ndarray]]:
    """The connected parts of a grid at or below a level.

    Args:
        heights: The heights of the grid, NaN outside.
        level: The level, in heights.
        minima: For each part to find, the grid index of one of its points.

    Returns:
        For each part the indices of its points along each axis; none if the given point is above the level.
    """
    from scipy import ndimage  # imported only if needed: `import fastscape` stays lean

    parts, _ = ndimage.label(heights <= level)
    boxes, found = ndimage.find_objects(parts), []
    for at in minima:
        region = [np.empty(0, dtype=np.int64)] * heights.ndim
        if parts[at]:
            box = boxes[parts[at] - 1]
            indices = np.nonzero(parts[box] == parts[at])
            region = [k + side.start for k, side in zip(indices, box, strict=True)]
        found.append(region)
    return found


def _between(size: np.ndarray, indices: np.ndarray) -> float:
    """The length from the first to the last cell along an axis."""
    return float(size[indices.min() : indices.max() + 1].sum()) if len(indices) else 0.0
