"""Finds basins that are deep enough, and describes each; shallower basins count to their neighbours."""

from __future__ import annotations

import math

import numpy as np

from fastscape.persistence.merge_tree import MergeTree
from fastscape.persistence.sizes import sizes_below_saddles
from fastscape.results import Basin, Values, at_edge

__all__ = ["deep_basins", "merged"]


def merged(heights: np.ndarray, tree: MergeTree, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The merge tree without its shallow basins.

    Basins are dropped by rising depth, as if each were filled up to its saddle: all that drained into it then flows
    over the saddle, into the basin on the other side, which may itself be dropped later.

    Args:
        heights: Of the grid; NaN outside.
        tree: Its merge tree.
        threshold: The depth up to which a basin is dropped.

    Returns:
        The numbers, in the tree, of the remaining basins, the deepest first [B]; and for every basin of the tree the
        remaining basin that it counts to.
    """
    flat = heights.ravel()
    minima = flat[tree.minima]
    with np.errstate(over="ignore"):  # of heights near the limits of float64
        depths = np.where(tree.saddles < 0, np.inf, flat[tree.saddles] - minima)
    kept = depths > threshold
    # Basins in the region of a dropped basin are even shallower, so the pointers make no circle.
    to = np.where(kept, np.arange(len(kept)), tree.across)
    while ((further := to[to]) != to).any():
        to = further
    numbers = np.cumsum(kept) - 1
    return np.flatnonzero(kept), numbers[to]


def deep_basins(
    values: Values, heights: np.ndarray, tree: MergeTree, threshold: float, error: float
) -> tuple[tuple[Basin, ...], np.ndarray]:
    """The basins of a landscape.

    Args:
        values: The landscape.
        heights: Of the grid; NaN outside.
        tree: Their merge tree.
        threshold: The depth up to which a basin does not count.
        error: Half-width of the band of the heights.

    Returns:
        The basins, the deepest first, and the number of the basin of each point; -1 outside.
    """
    left, counted = merged(heights, tree, threshold)
    labels = np.where(tree.labels >= 0, counted[tree.labels], -1)
    flat, places = heights.ravel(), []
    for old in left.tolist():
        saddle, parent = int(tree.saddles[old]), int(tree.parents[old])
        joins = int(counted[parent]) if parent >= 0 else None  # a parent is deeper, so it was not dropped
        height = float(flat[saddle]) if saddle >= 0 else math.inf
        places.append((_index(int(tree.minima[old]), heights), height, joins, saddle))
    points = np.bincount(labels[labels >= 0], minlength=len(left))
    sizes = sizes_below_saddles(heights, tree, left, points, values.axes)
    basins = []
    for number, ((at, height, joins, saddle), size) in enumerate(zip(places, sizes, strict=True)):
        lowest = float(heights[at])
        over = _index(saddle, heights) if saddle >= 0 else None
        measures = {name: float(grid[at]) for name, grid in values.measures.items()}
        certain = height - lowest > 2 * error
        basins.append(Basin(number, at, lowest, over, height, joins, certain, at_edge(heights, at), size, measures))
    return tuple(basins), labels


def _index(point: int, heights: np.ndarray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(point, heights.shape))
