"""The state of a refinement after a round: the known points of a grid, and their predictions of unknown points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastscape.sampling.choice_of_points import along_a_curve, farthest
from fastscape.sampling.interpolation import Scatter
from fastscape.sampling.later import scipy
from fastscape.sampling.smooth import Told

__all__ = ["Standing", "ranges_of"]

LOOKED_AT = 4096  # the most unknown points that are examined, or, if that is more:
FOR_ONE = 4  # unknown points for each known point


@dataclass(frozen=True, eq=False)
class Standing:
    """The known points after a round, and their predictions.

    Args:
        at: Coordinates of the points of the grid [G, D].
        shape: Points along each axis.
        known: Which points are known [G].
        heights: The heights to interpolate [G, M], or their differences to a trend; any numbers at unknown points.
        seed: Of the choice among the unknown points of a very fine grid.
    """

    at: np.ndarray
    shape: tuple[int, ...]
    known: np.ndarray
    heights: np.ndarray
    seed: int

    @cached_property
    def seen(self) -> Scatter:
        """The interpolation between the known points."""
        return Scatter(self.at[self.known], self.heights[self.known])

    @cached_property
    def unknown(self) -> np.ndarray:
        """The numbers of the unknown points, in the order of all further arrays of unknown points."""
        unknown = np.flatnonzero(~self.known)
        return unknown if self.seen.finite.all() else along_a_curve(unknown, self.shape)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Kinds and triangles of the unknown points; see `Scatter.kinds`. All triangles are 0 if D is not 2."""
        if self.seen.finite.all() or len(self.shape) != 2:
            return self._by_the_nearest(), np.zeros(len(self.unknown), dtype=int)
        return self.seen.kinds(self.at[self.unknown])

    def _by_the_nearest(self) -> np.ndarray:
        """The kinds of the unknown points, if each has the kind of the nearest known point.

        An edge runs between neighbours along an axis that differ in kind; it is known once all such neighbours are.

        Returns:
            The kinds, see `kinds`.
        """
        if self.seen.finite.all():
            return np.ones(len(self.unknown), dtype=int)
        kinds = np.empty(len(self.known), dtype=int)
        sides = np.where(self.seen.finite, 1, -1)
        kinds[self.known] = sides
        if len(self.unknown):
            kinds[self.unknown] = sides[scipy.spatial.KDTree(self.seen.points).query(self.at[self.unknown])[1]]
        grid = kinds.reshape(self.shape)
        edge = np.zeros(self.shape, dtype=bool)
        for axis in range(grid.ndim):
            here, there = (np.moveaxis(grid, axis, 0)[some] for some in (slice(1, None), slice(None, -1)))
            differ = here != there
            np.moveaxis(edge, axis, 0)[1:] |= differ
            np.moveaxis(edge, axis, 0)[:-1] |= differ
        return np.where(edge.ravel(), 0, kinds)[self.unknown]

    @property
    def kinds(self) -> np.ndarray:
        """Kinds of the unknown points: 1 among finite values, -1 among other values, 0 at an edge between both."""
        return self._places[0]

    def kinds_of(self, numbers: np.ndarray) -> np.ndarray:
        """The kinds of some unknown points, by their numbers in the grid."""
        kinds = np.empty(len(self.known), dtype=int)
        kinds[self.unknown] = self.kinds
        return np.asarray(kinds[numbers])

    @property
    def edge(self) -> np.ndarray:
        """The numbers of unknown points where the edge of a region without finite values runs."""
        return self.unknown[self.kinds == 0]

    def some_of_edge(self, count: int) -> np.ndarray:
        """The edge points in the middles of their triangles; if D is not 2, the farthest from known points."""
        kinds, triangles = self._places
        if len(self.shape) != 2:
            return self.edge[farthest(self.at[self.edge], self.seen.points, count)]
        return self.unknown[self.seen.middles(self.at[self.unknown], np.where(kinds == 0, triangles, -1))]

    @cached_property
    def looked_at(self) -> np.ndarray:
        """The numbers of the unknown points that are examined: all without an edge, a sample on a very fine grid."""
        clear = self.unknown[self.kinds != 0]
        most = max(LOOKED_AT, FOR_ONE * int(self.known.sum()))
        if len(clear) <= most:
            return clear
        return np.sort(np.random.default_rng(self.seed).choice(clear, most, replace=False))

    @cached_property
    def clear(self) -> np.ndarray:
        """Which points of `looked_at` are among finite values."""
        return np.asarray(self.kinds_of(self.looked_at) == 1)

    @cached_property
    def told(self) -> Told:
        """The predictions at the points of `looked_at` that are among finite values."""
        return self.seen.told(self.at[self.looked_at[self.clear]])

    def expected(self) -> np.ndarray:
        """The mean over the grid of the squares of expected errors [M]."""
        if not self.clear.any():
            return np.zeros(self.heights.shape[1])
        share = (self.kinds == 1).sum() / len(self.known)
        return np.asarray(self.told.variances.mean(0) * share)

    def left_out(self) -> np.ndarray:
        """The same by leave-one-out errors [M]; a known point counts once for each unknown point nearest to it."""
        where = self.at[self.looked_at[self.clear]]
        if not len(where):
            return np.zeros(self.heights.shape[1])
        nearest = self.seen.smooth.nearest(where)
        share = np.bincount(nearest, minlength=int(self.seen.finite.sum())) / len(where)
        return np.asarray(share @ np.square(self.seen.left_out()) * (self.kinds == 1).sum() / len(self.known))

    def worth(self) -> np.ndarray:
        """The worth of each point of `looked_at`, apart from its distance to known points."""
        worth = np.zeros(len(self.looked_at))
        where = self.at[self.looked_at[self.clear]]
        if len(where):
            bend = np.abs(self.told.values[:, 0] - self.seen.roughly(where)[:, 0])
            worth[self.clear] = np.sqrt(np.nan_to_num(bend) * self.told.left_out[:, 0])
        return worth


def ranges_of(values: np.ndarray) -> np.ndarray:
    """The range of every column, over its finite values; 1 if there are none, or if the range is 0."""
    finite = [column[np.isfinite(column)] for column in values.T]
    spans = [np.ptp(column) if len(column) else 0.0 for column in finite]
    return np.array([span or 1.0 for span in spans])
