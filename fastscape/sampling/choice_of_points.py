"""Chooses points of a grid: the points of the first round, and the most informative points of later rounds."""

from __future__ import annotations

import numpy as np

from fastscape.sampling.later import scipy

__all__ = ["along_a_curve", "farthest", "first_points", "spread_out"]

FIRST = 56  # points of a plane; twice as many with every further axis
FIRST_OF_MANY = 20  # likewise, if a trend is known
ONE_BY_ONE = 512  # points of a round that are chosen in turn; further points are drawn at random


def first_points(axes: tuple[np.ndarray, ...], *, size: int = 1, told: bool = False) -> np.ndarray:
    """The points that every refinement begins with.

    Args:
        axes: Coordinates along each axis.
        size: The number of points is a multiple of it, if the grid has enough points. Default 1.
        told: Whether a trend is known at all points, so that a narrow feature is not missed. Default False.

    Returns:
        Numbers of points: the corners, the point nearest to the model, and further points. They are spread so evenly
        that every row and column has at least one point; with `told` there are fewer points.

    Source: Roberts 2018, "The unreasonable effectiveness of quasirandom sequences", for the sequence.
    """
    shape = tuple(map(len, axes))
    corners = np.stack(np.meshgrid(*([0, n - 1] for n in shape), indexing="ij"), -1).reshape(-1, len(shape))
    model = [[int(np.abs(axis).argmin()) for axis in axes]]
    fixed = np.concatenate([corners, model])
    further = 2 ** max(len(shape) - 2, 0)
    rows = max(shape) + len(fixed) if len(shape) > 1 else 0  # on a line every point is a row
    count = (FIRST_OF_MANY * further if told else max(FIRST * further, rows)) - len(fixed)
    k = np.arange(count)
    places = np.empty((count, len(shape)), dtype=np.int64)
    longest = int(np.argmax(shape))
    ratio = _ratio(len(shape) - 1)
    power = 1
    for axis, n in enumerate(shape):
        # Points are even along the longest axis; along other axes their order leaves no gap and follows no line.
        order = k if axis == longest else np.argsort(np.argsort((k * ratio**-power) % 1))
        power += axis != longest
        places[:, axis] = order * n // count
    every = np.concatenate([fixed, places])
    first = np.unique(np.ravel_multi_index(tuple(every.T), shape))
    rest = np.setdiff1d(np.arange(np.prod(shape)), first)
    if not (more := min(-len(first) % size, len(rest))):
        return first
    at, others = (np.stack(np.unravel_index(those, shape), 1) / np.array(shape) for those in (first, rest))
    return np.concatenate([first, rest[farthest(others, at, more)]])


def _ratio(dimensions: int) -> float:
    """The solution of x ** (dimensions + 1) = x + 1 above 1: for one dimension the golden ratio."""
    x = 1.5
    for _ in range(50):
        x = (1 + x) ** (1 / (dimensions + 1))
    return x


def farthest(points: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """Chooses points in turn, each as far as possible from all known and chosen points.

    Args:
        points: Where they are [n, D].
        known: Where the known points are [m, D].
        count: How many are chosen, at most n.

    Returns:
        The numbers of the chosen points [count].
    """
    distances, chosen = scipy.spatial.KDTree(known).query(points)[0], []
    for _ in range(count):
        chosen.append(int(distances.argmax()))
        distances = np.minimum(distances, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen, dtype=np.int64)


def along_a_curve(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Points in an order in which successive points are near each other.

    Args:
        numbers: Numbers of points [n].
        shape: Points along each axis.

    Returns:
        The numbers in the order of Morton's curve.

    Source: Morton 1966, "A computer oriented geodetic data base and a new technique in file sequencing".
    """
    place = np.zeros(len(numbers), dtype=np.int64)
    for k, coordinate in enumerate(reversed(np.unravel_index(numbers, shape))):
        for bit in range(63 // len(shape)):
            place |= (coordinate >> bit & 1) << (len(shape) * bit + k)
    return numbers[np.argsort(place, kind="stable")]


def spread_out(
    worth: np.ndarray, points: np.ndarray, known: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
    """Chooses points that are worth much, and that are far from known points and from each other.

    Args:
        worth: The worth of each point, apart from its distance to known points [n], at least 0.
        points: Where they are [n, D].
        known: Where the known points are [m, D].
        count: How many are chosen, at most n.
        generator: Of random numbers, for choices of very many points.

    Returns:
        The numbers of the chosen points [count], the point that is worth most first.
    """
    before = scipy.spatial.KDTree(known).query(points)[0]
    distances, chosen = before.copy(), []
    for _ in range(min(count, ONE_BY_ONE)):
        # A point that is chosen nearby already gives a part of the information.
        gain = worth * distances * np.square(distances / before)
        best = int(gain.argmax())
        if gain[best] <= 0:
            best = int(distances.argmax())
        chosen.append(best)
        distances = np.minimum(distances, np.linalg.norm(points - points[best], axis=1))
    if count > len(chosen):
        gain = worth * distances + np.finfo(float).tiny
        gain[chosen] = 0.0
        with np.errstate(divide="ignore"):
            keys = generator.exponential(size=len(gain)) / gain
        chosen += np.argsort(keys)[: count - len(chosen)].tolist()
    return np.array(chosen, dtype=np.int64)
