"""Computes the merge tree of a grid of values: its minima, and the points at which their basins join deeper basins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["MergeTree", "merge_tree"]


class MergeTree(NamedTuple):
    """The basins of a grid, the deepest first. Points are numbers of the flat grid.

    Args:
        minima: The lowest point of each basin [B].
        saddles: The point at which each basin joins a deeper basin [B]; -1 if it joins none.
        parents: The number of the basin that it joins: the deepest of all basins that are connected there [B]; -1 if
            it joins none.
        labels: The number of the basin that each point drains into, from neighbour to lowest neighbour, in the shape
            of the grid; -1 outside.
        across: The number of the basin on the other side of the saddle [B]: the parent, or a basin that is part
            of the parent's region there; -1 if it joins none.
    """

    minima: np.ndarray
    saddles: np.ndarray
    parents: np.ndarray
    labels: np.ndarray
    across: np.ndarray


def merge_tree(values: np.ndarray) -> MergeTree:
    """The tree of the regions below a rising level: how they are born at minima, and how they merge.

    The region below a level is the graph of the points at or below it, each connected to its neighbours along the
    axes: the lower-star filtration of the cubical complex whose vertices are the points. A region is born at its
    lowest point. If two regions meet, the region with the higher minimum ends (the elder rule). Points that are NaN or
    infinite are outside: nothing is connected through them. Of two equal values, the value of the point with the
    smaller number counts as lower. So every pair of birth and death is defined, and pairs of equal height have no
    persistence.

    Args:
        values: Values of any shape.

    Returns:
        The tree.

    Example:
        >>> import numpy as np
        >>> from fastscape.persistence import merge_tree
        >>> tree = merge_tree(np.array([1.0, 3.0, 0.0, 2.0, 1.5]))
        >>> tree.minima.tolist(), tree.saddles.tolist(), tree.parents.tolist()
        ([2, 0, 4], [-1, 1, 3], [-1, 0, 0])
        >>> tree.labels.tolist()
        [1, 0, 0, 0, 2]

    Source: Edelsbrunner and Harer 2010, Computational Topology, section VII.1; Carr, Snoeyink and Axen 2003,
    "Computing contour trees in all dimensions".
    """
    inside = np.isfinite(values)
    rank = _ranks(values, inside)
    below = _lowest_neighbours(rank)
    while (further := below[below]).tobytes() != below.tobytes():  # pointers double their reach in every round
        below = further
    roots = np.unique(below[inside.ravel()])
    minima = roots[np.argsort(rank.ravel()[roots])]
    numbers = np.full(values.size, -1)
    numbers[minima] = np.arange(len(minima))
    labels = np.where(inside, numbers[below].reshape(values.shape), -1)
    saddles, parents, across = _joined(len(minima), *_passes(rank, labels))
    return MergeTree(minima, saddles, parents, labels, across)


def _ranks(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The places of the points in the order of their values, all different; points outside come last."""
    order = np.argsort(np.where(inside, values, np.inf), axis=None, kind="stable")
    order = order[np.argsort(~inside.ravel()[order], kind="stable")]
    rank = np.empty(values.size, dtype=np.int64)
    rank[order] = np.arange(values.size)
    return np.where(inside, rank.reshape(values.shape), values.size)


def _lowest_neighbours(rank: np.ndarray) -> np.ndarray:
    """For each point the number of the lowest point among itself and its neighbours [G]."""
    lowest, numbers = rank.copy(), np.arange(rank.size).reshape(rank.shape)
    found = numbers.copy()
    for axis in range(rank.ndim):
        for here, there in _pairs(axis):
            lower = rank[there] < lowest[here]
            lowest[here][lower] = rank[there][lower]
            found[here][lower] = numbers[there][lower]
    return found.ravel()


def _pairs(axis: int) -> list[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Slices of a grid that are neighbours along an axis, in both orders."""
    before = (*(slice(None),) * axis, slice(None, -1))
    behind = (*(slice(None),) * axis, slice(1, None))
    return [(before, behind), (behind, before)]


def _passes(rank: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest pass between any two basins that touch, the lowest first.

    Returns:
        The two basins [E, 2], and the point of the pass, which is the higher of its two points [E].
    """
    numbers, count = np.arange(rank.size).reshape(rank.shape), int(labels.max(initial=0)) + 1
    couples, points, heights, lows = ([np.empty(0, dtype=np.int64)] for _ in range(4))
    for axis in range(rank.ndim):
        here, there = _pairs(axis)[0]
        crossing = (labels[here] != labels[there]) & (labels[here] >= 0) & (labels[there] >= 0)
        first, second = rank[here][crossing], rank[there][crossing]
        one, other = labels[here][crossing], labels[there][crossing]
        couples.append(np.minimum(one, other) * count + np.maximum(one, other))  # a number for each couple
        points.append(np.where(first > second, numbers[here][crossing], numbers[there][crossing]))
        heights.append(np.maximum(first, second))
        lows.append(np.minimum(first, second))
    couple, point, height, low = map(np.concatenate, (couples, points, heights, lows))
    order = np.lexsort((low, height))  # if a point is the pass to several basins, the steepest way is first
    couple, point = couple[order], point[order]
    lowest = np.sort(np.unique(couple, return_index=True)[1])
    return np.stack(np.divmod(couple[lowest], count), axis=1), point[lowest]


def _joined(count: int, couples: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For basins sorted by depth, the point at which each joins a deeper basin, that basin, and the one across [B]."""
    saddles, parents, across = ([-1] * count for _ in range(3))
    above = list(range(count))  # shortcuts on the way to the root
    for (one, other), point in zip(couples.tolist(), points.tolist(), strict=True):
        first, second = _root(above, one), _root(above, other)
        if first != second:
            deep, shallow = sorted((first, second))
            saddles[shallow], parents[shallow] = point, deep
            across[shallow] = other if shallow == first else one
            above[shallow] = deep
    for basin, parent in enumerate(parents):  # parents are before their children
        if parent >= 0 and saddles[parent] == saddles[basin]:  # several basins meet at one point
            parents[basin] = parents[parent]
    return np.array(saddles, dtype=np.int64), np.array(parents, dtype=np.int64), np.array(across, dtype=np.int64)


def _root(above: list[int], basin: int) -> int:
    while above[basin] != basin:
        above[basin] = above[above[basin]]  # halves the way for the next call
        basin = above[basin]
    return basin
