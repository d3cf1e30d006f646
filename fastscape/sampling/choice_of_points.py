"""Which points of a grid are looked at: those of the first round, and random ones where it pays."""

from __future__ import annotations

import numpy as np

__all__ = ["along_a_curve", "drawn", "first_points"]

COARSE = 9  # points along an axis of the first lattice, at least
COARSE_SHARE = 0.05  # of the points along an axis
EACH_LINE = 4  # points on every row and column
GOLDEN = (5**0.5 - 1) / 2


def first_points(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that every refinement begins with.

    Args:
        x: Coordinates [H].
        y: Coordinates [W].

    Returns:
        Numbers of points, as `i * W + j`: a coarse lattice with the corners, and the surroundings of the origin; and
        others that are spread so that every row and column has one at least, on which the lattice is tested.
    """
    shape = len(x), len(y)
    axes = [
        np.unique(np.linspace(0, n - 1, min(max(COARSE, round(COARSE_SHARE * n)), n)).round().astype(int))
        for n in shape
    ]
    chosen = np.zeros(shape, dtype=bool)
    chosen[np.ix_(*axes)] = True
    i, j = (int(np.abs(axis).argmin()) for axis in (x, y))
    chosen[max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2] = True  # the model: losses are lowest and steepest there
    lattice = np.flatnonzero(chosen)
    count = EACH_LINE * max(shape)
    k = np.arange(count)
    # Along the longer axis evenly, along the other by the golden ratio, which leaves no gap and follows no line.
    even, golden = (k + 0.5) / count, (k * GOLDEN) % 1
    rows, columns = (even, golden) if shape[0] >= shape[1] else (golden, even)
    spread = np.unique((rows * shape[0]).astype(int) * shape[1] + (columns * shape[1]).astype(int))
    return lattice, np.setdiff1d(spread, lattice)


def along_a_curve(numbers: np.ndarray, width: int) -> np.ndarray:
    """Points in an order in which those that follow each other lie near each other.

    Args:
        numbers: Numbers of points [n], as `i * W + j`.
        width: Points W along y.

    Returns:
        The numbers in the order of Morton's curve.

    Source: Morton 1966, "A computer oriented geodetic data base and a new technique in file sequencing".
    """
    place = np.zeros(len(numbers), dtype=np.int64)
    for bit in range(31):
        for k, coordinate in enumerate((numbers % width, numbers // width)):
            place |= (coordinate >> bit & 1) << (2 * bit + k)
    return numbers[np.argsort(place, kind="stable")]


def drawn(weights: np.ndarray, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws some of many, each with a probability in proportion to its weight, evenly along their order.

    A sum over all, of any quantity, is estimated without bias by the sum over the drawn ones of the quantity divided
    by its probability.

    Args:
        weights: Weights [n], above 0.
        count: How many are drawn, at most n.
        generator: Of random numbers.

    Returns:
        The numbers of those that were drawn, in their order, and all the probabilities [n].

    Source: Madow 1949, "On the theory of systematic sampling, II"; Horvitz and Thompson 1952.
    """
    if not count:
        return np.empty(0, dtype=np.int64), np.zeros(len(weights))
    certain = np.zeros(len(weights), dtype=bool)
    while True:
        left = count - certain.sum()
        total = weights[~certain].sum()
        probabilities = np.where(certain, 1.0, weights * (left / total if left else 0.0))
        if (over := (probabilities > 1) & ~certain).any():
            certain |= over
            continue
        break
    ends = np.cumsum(probabilities)
    ends *= count / ends[-1]  # rounding
    marks = generator.random() + np.arange(count)
    return np.unique(np.minimum(np.searchsorted(ends, marks, side="right"), len(weights) - 1)), probabilities
