"""Adaptive sampling: chooses the points of a grid to evaluate, predicts the other points, judges the prediction.

A round takes the most informative points and some random points. Their values are first predicted from the known
points, and then evaluated. The error of the prediction at unknown points is estimated by leaving out known points, and
is corrected by the points that were predicted before they were evaluated. The surface is good enough if this estimate,
with a margin, is within the tolerance, and if every edge of a region without finite values is known to the point. The
choice of points does not depend on the tolerance, so a smaller tolerance continues a run that a larger tolerance
has ended.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.sampling.choice_of_points import first_points, spread_out
from fastscape.sampling.later import scipy
from fastscape.sampling.pairs_in_doubt import Pairs, pairs_above
from fastscape.sampling.relief import Relief
from fastscape.sampling.standing import Standing, ranges_of
from fastscape.sampling.trust import HeldOut, Tested, Trust, judged

__all__ = ["Refinement", "Trust"]

GROWTH = 0.15  # of the points known so far, in one round
MANY, GROWTH_OF_MANY = 0.2, 0.35  # likewise, if more than this part of the grid is known, as few points are saved then
LEAST, LEAST_TOLD = 8, 4  # points of a round: in general, and if a trend is known
ANYWHERE = 0.25  # of a round's points are drawn uniformly
WORTH_REFINING = 256  # points of a plane, four times as many with every further axis
SHORTEST, SHORTEST_IN_SPACE = 12, 5  # points along an axis: in a plane or on a line, and in more dimensions


class Refinement:
    """The state of one refinement.

    With a trend, the difference of the heights to the trend is interpolated. The errors stay fractions of the range of
    the heights themselves, and held-out points judge the sum of trend and difference.

    Args:
        axes: Coordinates along each axis, of any number of axes.
        tolerance: Of the root mean square error, as a fraction of the range of the heights; 0 for every point.
        log: Whether heights are log10 of the loss, as in pictures, as long as no loss is negative. Default True.
        size: Points that are evaluated together: a round is a multiple of it. Default 1.
        seed: Of the random points. Default 0.
        threshold: Of the persistence of pairs of a minimum and a saddle, as a fraction of the range of the heights:
            each pair above it must be certain, too. Default: no pair need be certain.
        trend: Values [G, measures or fewer] of a cheaper evaluation, known everywhere, the loss first. The nearest
            other value replaces a value that is not finite, or that needs a logarithm and has none. Default: no trend.
    """

    def __init__(
        self,
        axes: tuple[np.ndarray, ...],
        tolerance: float,
        *,
        log: bool = True,
        size: int = 1,
        seed: int = 0,
        threshold: float | None = None,
        trend: np.ndarray | None = None,
    ) -> None:
        self.tolerance, self.size = tolerance, size
        self._relief = Relief(axes, log, trend)
        self.known = np.zeros(len(self._at), dtype=bool)
        self.values = np.empty((len(self._at), 0))
        self.trust: Trust | None = None  # after the last round
        self.rounds = 0
        self.pairs = None if threshold is None else Pairs(threshold)
        self._held_out = HeldOut(np.random.default_rng(seed))
        self._standing: Standing | None = None

    @property
    def _at(self) -> np.ndarray:
        return self._relief.at

    @property
    def small(self) -> bool:
        """Whether the grid is so small that all of it is evaluated."""
        shape = self._relief.shape
        shortest = SHORTEST if len(shape) <= 2 else SHORTEST_IN_SPACE
        return len(self.known) < WORTH_REFINING * 4 ** max(len(shape) - 2, 0) or min(shape) < shortest

    @property
    def met(self) -> bool:
        """Whether the surface is as good as asked for."""
        return bool(self.known.all()) or (self.trust is not None and self.trust.within(self.tolerance))

    @property
    def logarithmic(self) -> bool:
        """Whether heights are log10 of the loss."""
        return self._relief.logarithmic(self._losses)

    @property
    def _losses(self) -> np.ndarray:
        """The known losses [n]."""
        return self.values[self.known, :1].ravel()

    def wanted(self) -> np.ndarray:
        """The numbers of the points that are to be evaluated next; none when the surface is good enough."""
        if self.known.all() or (self.met and self.tolerance > 0):
            return np.empty(0, dtype=np.int64)
        if self.small:
            return np.flatnonzero(~self.known)
        if self.rounds:
            return self._next()
        return first_points(self._relief.axes, size=self.size, told=self._relief.trend is not None)

    def _next(self) -> np.ndarray:
        """Points at edges; without edges, points that settle pairs in doubt, or else the most informative points."""
        now = self._now()
        count, least = int(self.known.sum()), LEAST if self._relief.trend is None else LEAST_TOLD
        count = max(round((GROWTH_OF_MANY if count > MANY * len(self.known) else GROWTH) * count), least)
        if len(now.edge):
            return now.edge if len(now.edge) <= count else now.some_of_edge(count)
        if self.pairs is not None and len(points := self.pairs.wanted(count)):
            return points
        count = max(round(count / self.size), 1) * self.size
        if len(now.unknown) - count < self.size:  # a few remaining points are not worth a further round
            return self._held_out.ask(now.unknown[:0], now.unknown)
        where, at = now.looked_at, self._at
        anywhere = round(ANYWHERE * count)
        best = spread_out(now.worth(), at[where], at[self.known], count - anywhere, self._held_out.generator)
        rest = self._held_out.generator.choice(np.delete(where, best), anywhere, replace=False)
        return self._held_out.ask(where[best], rest)

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
        self._standing = None

    def judge(self) -> None:
        """Judges how good the prediction is, once all requested points are evaluated."""
        if self.small or self.known.all():
            return
        if len(self._held_out.points):
            self._held_out.add(self._tested())
        self.trust = judged(self._now(), self._held_out, self._ranges())
        if self.pairs is not None:
            base = self._relief.base(self.values.shape[1], self._losses)[:, 0]
            factors, spans = self._held_out.factors(self.values.shape[1]), self._ranges()
            self.trust = self.pairs.judged(self._now(), base, self.trust, float(factors[0]), float(spans[0]))

    def _now(self) -> Standing:
        """The known points, and their predictions."""
        if self._standing is None:
            self._standing = self._standing_of(self.known)
        return self._standing

    def _standing_of(self, which: np.ndarray) -> Standing:
        """Some of the known points, and their predictions."""
        relief, losses = self._relief, self._losses
        differences = relief.heights(self.values, losses) - relief.base(self.values.shape[1], losses)
        return Standing(self._at, relief.shape, which.copy(), differences, self.rounds)

    def _tested(self) -> Tested:
        """Compares the points of the round with the prediction that was made without them."""
        points = self._held_out.points
        which = self.known.copy()
        which[points] = False
        before = self._standing_of(which)
        true, found = before.heights[points], np.isfinite(before.heights[points, 0])
        clear = before.kinds_of(points) == 1
        told, ranges = before.seen.told(self._at[points[clear & found]]), self._ranges()
        errors, expected = (told.values - true[clear & found]) / ranges, told.variances / np.square(ranges)
        anywhere = np.arange(len(points)) >= len(points) - self._held_out.anywhere
        return Tested(errors, expected, clear != found, anywhere[clear & found], int(which.sum()))

    def _ranges(self) -> np.ndarray:
        return ranges_of(self._relief.heights(self.values[self.known], self._losses))

    def topology(self) -> dict[str, Any] | None:
        """The number of pairs of a minimum and a saddle, and whether all are certain; None without a threshold."""
        if self.pairs is None:
            return None
        if self.known.all():
            heights = self._relief.heights(self.values, self._losses)[:, 0].reshape(self._relief.shape)
            count, uncertain = pairs_above(heights, self.pairs.threshold * ranges_of(heights.reshape(-1, 1))[0]), 0
        else:
            count, uncertain = (self.trust.pairs, self.trust.uncertain) if self.trust is not None else (0, -1)
        return {
            "threshold": self.pairs.threshold,
            "pairs": count if uncertain >= 0 else None,
            "uncertain": uncertain if uncertain >= 0 else None,
            "certain": uncertain == 0,
            "rounds": 0 if self.trust is None else self.trust.settling,
        }

    def widest_gap(self) -> int:
        """The side, in grid points, of the largest square without a known point."""
        known = self.known.reshape(self._relief.shape)
        if known.all():
            return 0
        return int(2 * scipy.ndimage.distance_transform_cdt(np.pad(~known, 1), "chessboard").max() - 1)

    def filled(self, values: np.ndarray, *, quickly: bool = False) -> np.ndarray:
        """Predicts the values of unknown points.

        Args:
            values: Values [G, measures], the loss first; what they hold at unknown points does not matter.
            quickly: Whether a linear interpolation suffices. Default False.

        Returns:
            Values [G, measures]; inside a region without finite losses the values of its nearest known point, at
            its edge NaN.
        """
        unknown = np.flatnonzero(~self.known)
        if not len(unknown):
            return values
        relief, losses = self._relief, self._losses
        heights, base = relief.heights(values, losses), relief.base(values.shape[1], losses)
        now = Standing(self._at, relief.shape, self.known, heights - base, self.rounds)
        whole = values.copy()
        whole[unknown] = np.nan
        lost, clear = now.unknown[now.kinds == -1], now.unknown[now.kinds == 1]
        if len(lost):
            missing = np.flatnonzero(self.known)[~now.seen.finite]
            whole[lost] = values[missing[scipy.spatial.KDTree(self._at[missing]).query(self._at[lost])[1]]]
        predicted = (now.seen.roughly if quickly else now.seen.at)(self._at[clear]) + base[clear]
        held = np.concatenate([heights[self.known], base])
        for k in range(1, values.shape[1]):  # keeps an accuracy at most 1, for example
            finite = held[np.isfinite(held[:, k]), k]
            predicted[:, k] = np.clip(predicted[:, k], finite.min(), finite.max()) if len(finite) else np.nan
        if self.logarithmic:
            predicted[:, 0] = 10 ** predicted[:, 0]
        whole[clear] = predicted
        return whole
