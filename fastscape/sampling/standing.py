"""The state of a refinement after a round: what the known points of a grid say of the unknown points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastscape.sampling.choice_of_points import along_a_curve, farthest
from fastscape.sampling.interpolation import Scatter
from fastscape.sampling.later import scipy
from fastscape.sampling.smooth import Told

__all__ = ["Standing", "ranges_of"]

LOOKED_AT = 4096  # unknown points, at least; all of them on a grid that is not very fine
FOR_ONE = 4  # known ones


@dataclass(frozen=True, eq=False)
class Standing:
    """What is known after a round.

    Args:
        at: Where the points of the grid are [G, D].
        shape: Points along each axis.
        known: Which of them are known [G].
        heights: What is interpolated [G, M]; what it holds at unknown points does not matter.
        seed: Of the choice among the unknown points of a very fine grid.
    """

    at: np.ndarray
    shape: tuple[int, ...]
    known: np.ndarray
    heights: np.ndarray
    seed: int

    @cached_property
    def seen(self) -> Scatter:
        """The known points."""
        return Scatter(self.at[self.known], self.heights[self.known])

    @cached_property
    def unknown(self) -> np.ndarray:
        """The numbers of the unknown points, in the order in which all that depends on an order looks at them."""
        unknown = np.flatnonzero(~self.known)
        return unknown if self.seen.finite.all() else along_a_curve(unknown, self.shape)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Kinds and triangles of the unknown points; see `Scatter.kinds`. No triangles where D is not 2."""
        if self.seen.finite.all() or len(self.shape) != 2:
            return self._by_the_nearest(), np.zeros(len(self.unknown), dtype=int)
        return self.seen.kinds(self.at[self.unknown])

    def _by_the_nearest(self) -> np.ndarray:
        """The kinds of the unknown points, where each is taken for what the nearest known point is.

        An edge runs where two neighbours along an axis are not of one kind; it is known once both are, everywhere.

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
        """Of the unknown points: 1 among finite values, -1 among others, 0 where an edge between them runs."""
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
        """Of these, those in the middles of their triangles; where D is not 2, the farthest from what is known."""
        kinds, triangles = self._places
        if len(self.shape) != 2:
            return self.edge[farthest(self.at[self.edge], self.seen.points, count)]
        return self.unknown[self.seen.middles(self.at[self.unknown], np.where(kinds == 0, triangles, -1))]

    @cached_property
    def looked_at(self) -> np.ndarray:
        """The numbers of the unknown points that are looked at closely: on a very fine grid some among the finite."""
        clear = self.unknown[self.kinds != 0]
        most = max(LOOKED_AT, FOR_ONE * int(self.known.sum()))
        if len(clear) <= most:
            return clear
        return np.sort(np.random.default_rng(self.seed).choice(clear, most, replace=False))

    @cached_property
    def clear(self) -> np.ndarray:
        """Which of them are among finite values."""
        return np.asarray(self.kinds_of(self.looked_at) == 1)

    @cached_property
    def told(self) -> Told:
        """What is predicted at those among finite values."""
        return self.seen.told(self.at[self.looked_at[self.clear]])

    def expected(self) -> np.ndarray:
        """The mean over the grid of the squares of the errors that are expected [M]."""
        if not self.clear.any():
            return np.zeros(self.heights.shape[1])
        share = (self.kinds == 1).sum() / len(self.known)
        return np.asarray(self.told.variances.mean(0) * share)

    def left_out(self) -> np.ndarray:
        """The same by leaving out known points, each weighted by the unknown ones that are nearest to it [M]."""
        where = self.at[self.looked_at[self.clear]]
        if not len(where):
            return np.zeros(self.heights.shape[1])
        nearest = self.seen.smooth.nearest(where)
        share = np.bincount(nearest, minlength=int(self.seen.finite.sum())) / len(where)
        return np.asarray(share @ np.square(self.seen.left_out()) * (self.kinds == 1).sum() / len(self.known))

    def worth(self) -> np.ndarray:
        """What each of the points that are looked at would teach, were it far from the known ones."""
        worth = np.zeros(len(self.looked_at))
        where = self.at[self.looked_at[self.clear]]
        if len(where):
            bend = np.abs(self.told.values[:, 0] - self.seen.roughly(where)[:, 0])
            worth[self.clear] = np.sqrt(np.nan_to_num(bend) * self.told.left_out[:, 0])
        return worth


def ranges_of(values: np.ndarray) -> np.ndarray:
    """The range of every column, over what is finite; 1 where there is none."""
    finite = [column[np.isfinite(column)] for column in values.T]
    spans = [np.ptp(column) if len(column) else 0.0 for column in finite]
    return np.array([span or 1.0 for span in spans])
