"""Finds loops, voids and higher holes of the regions below a rising level, by gudhi."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fastscape.results import package

__all__ = ["holes"]


def holes(heights: np.ndarray, dimensions: Iterable[int]) -> dict[int, np.ndarray]:
    """Births and deaths of holes, in the same filtration as the regions of `merge_tree`.

    Args:
        heights: Of the grid; NaN outside.
        dimensions: Which holes, from 1: loops, voids, and so on.

    Returns:
        For each dimension the points of birth and of death of every pair [n, 2], as numbers of the flat grid; -1 if
        a hole is never filled, such as a hole around points that are outside.

    Raises:
        ImportError: When gudhi is not installed.

    Source: Wagner, Chen and Vucini 2012, "Efficient computation of persistent homology for cubical data"; the GUDHI
    library, gudhi.CubicalComplex.
    """
    wanted = tuple(dimensions)
    gudhi = package("gudhi", "topology") if wanted else None
    if gudhi is None:
        return {}
    filled = np.where(np.isnan(heights), np.inf, heights)  # points outside are last
    cubes = gudhi.CubicalComplex(vertices=filled)
    cubes.compute_persistence(min_persistence=0)
    pairs, endless = cubes.vertices_of_persistence_pairs()
    found = {}
    for dimension in wanted:
        ended = np.asarray(pairs[dimension] if dimension < len(pairs) else [], dtype=np.int64).reshape(-1, 2)
        left = np.asarray(endless[dimension] if dimension < len(endless) else [], dtype=np.int64).reshape(-1)
        both = np.concatenate([ended, np.stack([left, np.full_like(left, -1)], axis=1)])
        found[dimension] = _of_grid(both, filled)
    return found


def _of_grid(pairs: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Pairs by the numbers of the grid, without pairs that are born outside; a death outside counts as none."""
    turned = np.arange(filled.size).reshape(filled.shape).ravel(order="F")  # gudhi numbers the first axis fastest
    births, deaths = turned[pairs[:, 0]], np.where(pairs[:, 1] < 0, -1, turned[pairs[:, 1]])
    flat = filled.ravel()
    deaths = np.where((deaths >= 0) & np.isfinite(flat[deaths]), deaths, -1)
    return np.stack([births, deaths], axis=1)[np.isfinite(flat[births])]
