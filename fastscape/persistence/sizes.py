"""Computes how large all basins are below their saddles, in one walk up the merge tree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping

import numpy as np

from fastscape.persistence.merge_tree import MergeTree
from fastscape.results import Extent, cell_sizes, extent_of

__all__ = ["sizes_below_saddles"]


def sizes_below_saddles(
    heights: np.ndarray, tree: MergeTree, kept: np.ndarray, points: np.ndarray, axes: Mapping[str, np.ndarray]
) -> list[Extent]:
    """The extents that `TopologyValues.volume` uses if no level is given.

    A point drains into its minimum below its own height. So the region of a basin below its saddle consists of the
    points below the saddle, of the basin itself and of all basins that joined it further below.

    Args:
        heights: Of the grid; NaN outside.
        tree: The merge tree.
        kept: The numbers of the basins in the tree [B], the deepest first.
        points: How many points drain into each basin [B].
        axes: Coordinates by the name of the axis.

    Returns:
        The extent of each basin.
    """
    levels = _levels(heights, tree, kept)
    inside = np.flatnonzero(tree.labels.ravel() >= 0)
    labels, values = tree.labels.ravel()[inside], heights.ravel()[inside]
    rising = np.sort(values)
    order = np.lexsort((values, labels))
    at = inside[order]  # the points of a basin beside each other, rising
    key = labels[order] * (len(at) + 1) + np.searchsorted(rising, values[order])
    starts = np.searchsorted(labels[order], np.arange(len(tree.minima)))
    cells, found = cell_sizes(axes), {}
    for basin, members in _at_their_levels(levels, heights, tree):
        level = levels[basin]
        below = np.searchsorted(rising, level)  # how many values are strictly below
        first = starts[members]
        counts = np.searchsorted(key, members * (len(at) + 1) + below) - first
        before = np.cumsum(counts) - counts
        region = at[np.repeat(first - before, counts) + np.arange(counts.sum())]
        found[basin] = level, np.unravel_index(region, heights.shape)
    return [
        extent_of(int(count), *found[basin], cells)
        for basin, count in zip(kept.tolist(), points.tolist(), strict=True)
    ]


def _levels(heights: np.ndarray, tree: MergeTree, kept: np.ndarray) -> dict[int, float]:
    """The level up to which each basin is measured: its saddle, or the saddle of the most persistent joining basin."""
    flat, levels = heights.ravel(), {}
    deepest: dict[int, tuple[float, float]] = {}
    for basin in kept.tolist():
        saddle, parent = int(tree.saddles[basin]), int(tree.parents[basin])
        levels[basin] = float(flat[saddle]) if saddle >= 0 else math.inf
        depth = levels[basin] - float(flat[tree.minima[basin]])
        if parent >= 0 and depth > deepest.get(parent, (0.0, 0.0))[0]:
            deepest[parent] = depth, levels[basin]
    return {
        basin: deepest[basin][1] if math.isinf(level) and basin in deepest else level
        for basin, level in levels.items()
    }


def _at_their_levels(
    levels: Mapping[int, float], heights: np.ndarray, tree: MergeTree
) -> Iterator[tuple[int, np.ndarray]]:
    """Each basin with all basins that are connected with it strictly below its level, itself included."""
    flat, members = heights.ravel(), [[basin] for basin in range(len(tree.minima))]
    joining = np.flatnonzero(tree.saddles >= 0)
    passes = flat[tree.saddles[joining]]
    # If several basins join at one height, the shallowest is first: the basin that it joins is still there.
    events = [(height, -basin, False) for height, basin in zip(passes.tolist(), joining.tolist(), strict=True)]
    events += [(level, -basin, True) for basin, level in levels.items()]
    for _, same in itertools.groupby(sorted(events), key=lambda event: event[0]):
        here = list(same)
        for _, number, measured in here:
            if measured:
                yield -number, np.array(members[-number])
        for _, number, measured in here:
            if not measured:
                parent = int(tree.parents[-number])
                one, other = sorted((members[parent], members[-number]), key=len)
                members[parent] = other
                other += one
                members[-number] = []
