"""Adaptive sampling: which points of a grid are evaluated, how the others are predicted, and how good that is.

A round draws points at random, more of them where two interpolations disagree, and predicts their values from the
points that are known; then they are evaluated. The differences are errors at points that the prediction had not seen,
and weighted by their probabilities they estimate its error over the whole grid without bias. The surface is good
enough when that estimate is within the tolerance, when leaving out known points does not show far larger errors, and
when every edge of a region without finite values is known to the point. What is drawn does not depend on the
tolerance, so that a smaller one goes on where a larger one has stopped.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastscape.results import logarithms
from fastscape.sampling.choice_of_points import along_a_curve, drawn, first_points
from fastscape.sampling.interpolation import Scatter, left_out
from fastscape.sampling.later import scipy

__all__ = ["Refinement", "Trust"]

GROWTH = 0.25  # of the points known so far, in one round
EVENLY = 0.5  # of a round's points are drawn from all alike
SURE = 1.645  # standard deviations that an estimate is below its bound with a probability of 95 %
LEFT_OUT = 3.0  # a point that is left out leaves a hole twice as wide, so that errors are larger by about this
WORTH_REFINING = 256  # points, and along an axis:
SHORTEST = 12


class Trust(NamedTuple):
    """How far a prediction can be trusted; errors are fractions of the range of the heights.

    Args:
        rms: Root mean square of the error over all points of the grid, estimated at points that were held out.
        at_most: What it is at most, with a probability of 95 %.
        largest: The largest error at one of these points.
        left_out: Root mean square, estimated by leaving out known points: for larger gaps than there are.
        edge: Points at the edge of a region without finite values that are not known yet.
        held_out: How many points were held out.
        others: `rms` for every other measure, of its own range.
    """

    rms: float
    at_most: float
    largest: float
    left_out: float
    edge: int
    held_out: int
    others: list[float]

    def within(self, tolerance: float) -> bool:
        """Whether the errors are within a tolerance."""
        return self.at_most <= tolerance and self.left_out <= LEFT_OUT * tolerance and not self.edge


class _Drawn(NamedTuple):
    """The random points of a round, on which the prediction before it is tested.

    Args:
        points: Their numbers [n].
        chances: With which probability each was drawn [n].
    """

    points: np.ndarray
    chances: np.ndarray


class Refinement:
    """The state of one refinement.

    Args:
        x: Coordinates [H].
        y: Coordinates [W].
        tolerance: Of the root mean square error, as a fraction of the range of the heights; 0 for every point.
        log: Whether heights are log10 of the loss, as in pictures, as long as no loss is negative. Default True.
        size: Points that are evaluated together. Default 1.
        seed: Of the random points. Default 0.
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, tolerance: float, *, log: bool = True, size: int = 1, seed: int = 0
    ) -> None:
        self.tolerance, self.log, self.size = tolerance, log, size
        self._axes = x, y
        self._generator = np.random.default_rng(seed)
        self.known = np.zeros(len(self._at), dtype=bool)
        self.values = np.empty((len(self._at), 0))
        self.trusts: list[Trust] = []  # of the last two rounds: one may be lucky
        self.rounds = 0
        self._drawn = _Drawn(np.empty(0, dtype=np.int64), np.empty(0))

    @cached_property
    def _at(self) -> np.ndarray:
        """Where the points lie [G, 2], in units of the axes' lengths."""
        unit = [(axis - axis[0]) / (np.ptp(axis) or 1.0) for axis in self._axes]
        return np.stack(np.meshgrid(*unit, indexing="ij"), -1).reshape(-1, 2)

    @property
    def small(self) -> bool:
        """Whether the grid is so small that all of it is evaluated."""
        return len(self._at) < WORTH_REFINING or min(map(len, self._axes)) < SHORTEST

    @property
    def met(self) -> bool:
        """Whether the surface is as good as asked for."""
        twice = len(self.trusts) == 2 and all(trust.within(self.tolerance) for trust in self.trusts)
        return bool(self.known.all()) or twice

    @property
    def logarithmic(self) -> bool:
        """Whether heights are log10 of the loss."""
        finite = self.values[self.known, :1]
        finite = finite[np.isfinite(finite)]
        return self.log and bool(finite.size) and finite.min() >= 0 and finite.max() > 0

    def wanted(self) -> np.ndarray:
        """The numbers of the points that are to be evaluated next; none when the surface is good enough."""
        if self.known.all() or (self.met and self.tolerance > 0):
            return np.empty(0, dtype=np.int64)
        if self.small:
            return np.flatnonzero(~self.known)
        if self.rounds:
            return self._next()
        lattice, tested = first_points(*self._axes)
        self._drawn = _Drawn(tested, np.full(len(tested), len(tested) / (len(self._at) - len(lattice))))
        return np.concatenate([lattice, tested])

    def _next(self) -> np.ndarray:
        """Points at edges, where there are any, or else random ones."""
        unknown = along_a_curve(np.flatnonzero(~self.known), len(self._axes[1]))
        seen = self._seen(self.known)
        kinds, triangles = seen.kinds(self._at[unknown])
        count = max(round(GROWTH * self.known.sum()), 1)
        edge = np.flatnonzero(kinds == 0)
        if len(edge):
            if len(edge) > count:  # first the middles, which leave fewer
                edge = seen.middles(self._at[unknown], np.where(kinds == 0, triangles, -1))
            self._drawn = _Drawn(np.empty(0, dtype=np.int64), np.empty(0))
            return unknown[edge]
        count = min(-(-count // self.size) * self.size, len(unknown))
        if len(unknown) - count < self.size:  # a rest is not worth a round of its own
            count = len(unknown)
        doubt = np.where(kinds == 1, seen.doubt(self._at[unknown]), 0.0)
        chosen, chances = drawn(_mixed(doubt), count, self._generator)
        self._drawn = _Drawn(unknown[chosen], chances[chosen])
        return self._drawn.points

    def take(self, numbers: np.ndarray, values: np.ndarray) -> None:
        """Takes the values at points.

        Args:
            numbers: The numbers of the points [n].
            values: Their values [n, measures], the loss first.
        """
        if not self.rounds:
            self.values = np.full((len(self._at), values.shape[1]), np.nan)
        self.values[numbers], self.known[numbers] = values, True
        self.rounds += 1

    def judge(self) -> None:
        """Judges by the last round how good the prediction is, once all that was wanted has been taken."""
        if self.trusts and not len(self._drawn.points):  # all were at edges: nothing new is known of the others
            edge = self._at_edges()
            self.trusts = [trust._replace(edge=edge) for trust in self.trusts]
        elif not self.small:
            before = self.known.copy()
            before[self._drawn.points] = False
            self.trusts = [*self.trusts[-1:], self._judged(self._seen(before))]

    def _seen(self, which: np.ndarray) -> Scatter:
        """What some of the known points say: heights in the place of losses, and the other measures."""
        return Scatter(self._at[which], self.heights(self.values[which]))

    def heights(self, values: np.ndarray) -> np.ndarray:
        """Values [n, measures] with heights in the place of the losses."""
        if not self.logarithmic:
            return values
        known = self.values[self.known, 0]
        return np.concatenate([logarithms(values[:, :1], known[known > 0].min()), values[:, 1:]], axis=1)

    def _judged(self, before: Scatter) -> Trust:
        """How good the prediction was of which the tested points knew nothing."""
        heights = self.heights(self.values)
        ranges = _ranges(heights[self.known])
        tested = self._at[self._drawn.points]
        clear = before.kinds(tested)[0] == 1
        found = np.isfinite(heights[self._drawn.points, 0])
        errors = np.zeros((len(tested), heights.shape[1]))
        both = clear & found
        errors[both] = (before.at(tested[both]) - heights[self._drawn.points[both]]) / ranges
        errors[clear != found] = 1.0  # a value where there is none, or the reverse
        chances = self._drawn.chances[:, None]
        found_each = np.square(errors) / chances
        spread = np.sqrt((np.square(found_each) * (1 - chances)).sum(0))
        rms, at_most = (
            np.sqrt(total / len(self._at)) for total in (found_each.sum(0), (found_each.sum(0) + SURE * spread))
        )
        left = self._left_out(self._seen(self.known), np.flatnonzero(~self.known)) / ranges[0]
        return Trust(
            float(rms[0]),
            float(at_most[0]),
            float(np.abs(errors[:, 0]).max(initial=0.0)),
            left,
            self._at_edges(),
            len(tested),
            [float(r) for r in rms[1:]],
        )

    def _at_edges(self) -> int:
        """How many points are at the edge of a region without finite values and not known yet."""
        seen, unknown = self._seen(self.known), np.flatnonzero(~self.known)
        if not len(unknown) or seen.finite.all():
            return 0
        return int((seen.kinds(self._at[unknown])[0] == 0).sum())

    def _left_out(self, seen: Scatter, unknown: np.ndarray) -> float:
        """The error that leaving out points shows, each weighted by the unknown points that are nearest to it."""
        if not len(unknown) or not seen.finite.any():
            return 0.0
        nearest = scipy.spatial.KDTree(seen.points).query(self._at[unknown])[1]
        share = np.bincount(nearest, minlength=len(seen.points))[seen.finite]
        errors = left_out(seen.points[seen.finite], seen.values[seen.finite, :1], np.random.default_rng(self.rounds))
        return float(np.sqrt((share * np.square(errors[:, 0])).sum() / len(self._at)))

    def widest_gap(self) -> int:
        """The side, in grid points, of the largest square of which no point is known."""
        known = self.known.reshape(len(self._axes[0]), -1)
        if known.all():
            return 0
        return int(2 * scipy.ndimage.distance_transform_cdt(np.pad(~known, 1), "chessboard").max() - 1)

    def filled(self, values: np.ndarray, *, quickly: bool = False) -> np.ndarray:
        """Predicts what is not known.

        Args:
            values: Values [G, measures], the loss first; what they hold at unknown points does not matter.
            quickly: Whether a linear interpolation will do. Default False.

        Returns:
            Values [G, measures]; inside of a region without finite losses those of the nearest known point, at its
            edge NaN.
        """
        unknown = np.flatnonzero(~self.known)
        if not len(unknown):
            return values
        seen = Scatter(self._at[self.known], self.heights(values[self.known]))
        kinds, _ = seen.kinds(self._at[unknown])
        whole = values.copy()
        whole[unknown] = np.nan
        lost = unknown[kinds == -1]
        if len(lost):
            whole[lost] = values[self.known][scipy.spatial.KDTree(seen.points).query(self._at[lost])[1]]
        clear = unknown[kinds == 1]
        predicted = (seen.roughly if quickly else seen.at)(self._at[clear])
        if self.logarithmic:
            predicted[:, 0] = 10 ** predicted[:, 0]
        for k in range(1, values.shape[1]):  # an accuracy above 1 would be no accuracy
            held = seen.values[np.isfinite(seen.values[:, k]), k]
            predicted[:, k] = np.clip(predicted[:, k], held.min(), held.max()) if len(held) else np.nan
        whole[clear] = predicted
        return whole


def _mixed(doubt: np.ndarray) -> np.ndarray:
    """Weights of which one part is even and the other in proportion to doubt."""
    even = np.full(len(doubt), 1.0 / max(len(doubt), 1))
    total = doubt.sum()
    return EVENLY * even + (1 - EVENLY) * doubt / total if total > 0 else even


def _ranges(values: np.ndarray) -> np.ndarray:
    """The range of every column, over what is finite; 1 where there is none."""
    finite = [column[np.isfinite(column)] for column in values.T]
    spans = [np.ptp(column) if len(column) else 0.0 for column in finite]
    return np.array([span or 1.0 for span in spans])
