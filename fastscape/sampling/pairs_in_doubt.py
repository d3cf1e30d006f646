"""Finds the pairs of a minimum and a saddle that a refinement is not certain of, and points that would settle them.

Between evaluated points the heights are predicted, each with an expected error. Two further surfaces are a few such
errors below and above the prediction. The merge trees of the three surfaces show how the true surface may differ. A
basin that only the lower surface has may be hidden there; a saddle of the upper surface may be a wall that was not
seen. If the three trees agree on a pair, and its minimum and saddle were evaluated, no surface within the errors
changes the pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from fastscape.persistence import MergeTree, merge_tree
from fastscape.sampling.later import scipy
from fastscape.sampling.standing import Standing
from fastscape.sampling.trust import Trust

__all__ = ["Doubts", "Pairs", "doubts_of", "pairs_above"]

BEGINS = 0.2  # of the threshold: as long as the error is larger, other points are more informative
SPREAD = 3.0  # times the expected error of a point: 99 of 100 errors are within
IN_A_ROW = 12  # rounds of points that settle doubts, before a round of the most informative points
MOST = 16  # pairs in doubt whose ways out are searched at once
WAYS, APART = 8, 2  # ways out of one basin, and grid steps between them


class Doubts(NamedTuple):
    """The doubts about the pairs above a threshold.

    Args:
        pairs: How many pairs the prediction has.
        uncertain: How many pairs are in doubt, including pairs that the prediction may lack.
        points: The numbers of unknown points that would settle the doubts, the most doubtful first; none without
            doubts.
    """

    pairs: int
    uncertain: int
    points: np.ndarray


def pairs_above(heights: np.ndarray, threshold: float) -> int:
    """How many pairs of a minimum and a saddle of a grid have more persistence than a threshold."""
    return len(_Level(heights).above(threshold))


def doubts_of(heights: np.ndarray, spread: np.ndarray, known: np.ndarray, threshold: float, accuracy: float) -> Doubts:
    """Which pairs are in doubt.

    Args:
        heights: Heights of the prediction, in the shape of the grid; NaN outside.
        spread: How far each height may be off, in the same shape; 0 at known points.
        known: Whether each point is known, in the same shape.
        threshold: Pairs of less persistence do not count.
        accuracy: The error that a minimum or a saddle may have.

    Returns:
        The pairs in doubt, and the points that would settle them.
    """
    low, mid, high = (_Level(surface) for surface in (heights - spread, heights, heights + spread))
    found = _Found(known.ravel(), spread.ravel(), accuracy)
    own = mid.above(threshold)
    for basin in own:  # the pairs of the prediction
        found.ask(mid.minimum(basin), mid.minimum(basin))
        found.ask(mid.saddle(basin), mid.minimum(basin))
    _hidden_basins(low, mid, own, threshold, found)
    _hidden_gaps(low, mid, own, threshold, found)
    _hidden_walls(mid, high, own, threshold, found)
    return Doubts(len(own), len(found.pairs), found.points())


class Pairs:
    """The pairs of a minimum and a saddle of a refinement, round after round.

    The requested points depend only on the known points, and on no tolerance.

    Args:
        threshold: Of the persistence of the pairs, as a fraction of the range of the heights.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold, self.rounds = threshold, 0
        self._points, self._in_a_row = np.empty(0, dtype=np.int64), 0
        self._seen: _Seen | None = None

    def judged(self, now: Standing, base: np.ndarray, trust: Trust, factor: float, span: float) -> Trust:
        """Searches for pairs in doubt.

        Args:
            now: The known points, and their predictions.
            base: The trend, which is added to interpolated heights [G].
            trust: How good the prediction is.
            factor: Multiplies the square of an expected error.
            span: The range of the heights.

        Returns:
            The trust, with how many pairs of the prediction are above the threshold, and how many pairs are in doubt:
            -1 as long as the prediction is not good enough to tell.
        """
        self._points = self._points[:0]
        if trust.edge or trust.at_most > BEGINS * self.threshold:
            return trust._replace(uncertain=-1, settling=self.rounds)
        self._seen = _Seen.of(now, self._seen)
        heights, spread = self._seen.heights + base, SPREAD * np.sqrt(factor * self._seen.variances)
        shape = now.shape
        found = doubts_of(
            heights.reshape(shape), spread.reshape(shape), now.known.reshape(shape),
            self.threshold * span, trust.at_most * span,
        )  # fmt: skip
        self._points = found.points
        return trust._replace(pairs=found.pairs, uncertain=found.uncertain, settling=self.rounds)

    def wanted(self, count: int) -> np.ndarray:
        """The numbers of the points that would settle most; none if all is certain or other points have priority.

        Args:
            count: The largest number of points.

        Returns:
            The numbers of the points.
        """
        self._in_a_row = self._in_a_row + 1 if len(self._points) and self._in_a_row < IN_A_ROW else 0
        self.rounds += self._in_a_row > 0
        return self._points[:count] if self._in_a_row else self._points[:0]


class _Seen(NamedTuple):
    """The prediction everywhere [G]: heights, squares of expected errors, and the reach of the points behind it."""

    known: np.ndarray
    heights: np.ndarray
    variances: np.ndarray
    reach: np.ndarray

    @staticmethod
    def of(now: Standing, before: _Seen | None) -> _Seen:
        """Predicts again the heights that new points may change; NaN outside."""
        clear = now.unknown[now.kinds == 1]
        heights, variances, reach = (np.full(len(now.known), value) for value in (np.nan, 0.0, np.inf))
        inside = now.known.copy()
        inside[now.known] = now.seen.finite
        heights[inside] = now.heights[inside, 0]
        stale = clear
        if before is not None and np.array_equal(before.heights[before.known], heights[before.known], equal_nan=True):
            new = now.at[now.known & ~before.known]
            apart = scipy.spatial.KDTree(new).query(now.at[clear])[0]
            fresh = (apart > before.reach[clear]) & np.isfinite(before.heights[clear])
            kept, stale = clear[fresh], clear[~fresh]
            for array, earlier in zip((heights, variances, reach), before[1:], strict=True):
                array[kept] = earlier[kept]
        told = now.seen.told(now.at[stale])
        heights[stale], variances[stale] = told.values[:, 0], told.variances[:, 0]
        reach[stale] = now.seen.smooth.reach(now.at[stale])
        return _Seen(now.known, heights, variances, reach)


class _Found:
    """The requested points, with how much height is in doubt at each; a pair is known by its minimum."""

    def __init__(self, known: np.ndarray, spread: np.ndarray, accuracy: float) -> None:
        self.known, self.spread, self.accuracy = known, spread, accuracy
        self.doubts: dict[int, float] = {}
        self.pairs: set[int] = set()

    def ask(self, point: int, pair: int, doubt: float | None = None) -> None:
        """Requests a point, unless it is known or its doubt is within the accuracy."""
        if point < 0 or self.known[point]:
            return
        doubt = float(self.spread[point]) if doubt is None else doubt
        if doubt > self.accuracy:
            self.doubts[point] = max(doubt, self.doubts.get(point, 0.0))
            self.pairs.add(pair)

    def points(self) -> np.ndarray:
        """The numbers of the points, the most doubtful first."""
        return np.array(sorted(self.doubts, key=lambda point: (-self.doubts[point], point)), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Level:
    """A surface and its merge tree."""

    surface: np.ndarray

    @cached_property
    def tree(self) -> MergeTree:
        return merge_tree(self.surface)

    def minimum(self, basin: int) -> int:
        return int(self.tree.minima[basin])

    def saddle(self, basin: int) -> int:
        return int(self.tree.saddles[basin])

    def birth(self, basin: int) -> float:
        return float(self.surface.ravel()[self.minimum(basin)])

    def death(self, basin: int) -> float:
        point = self.saddle(basin)
        return float("inf") if point < 0 else float(self.surface.ravel()[point])

    def above(self, threshold: float) -> list[int]:
        """The basins whose pairs have more persistence, the deepest minimum first."""
        flat, saddles = self.surface.ravel(), self.tree.saddles
        deaths = np.where(saddles < 0, np.inf, flat[saddles])
        return np.flatnonzero(deaths - flat[self.tree.minima] > threshold).tolist()

    def home(self, point: int, among: set[int]) -> int:
        """The basin of `among` that contains a point, after all other basins have merged."""
        basin = int(self.tree.labels.ravel()[point])
        while basin >= 0 and basin not in among:
            basin = int(self.tree.parents[basin])
        return basin


def _homes(level: _Level, mid: _Level, own: list[int], threshold: float) -> Iterator[tuple[int, int, bool]]:
    """Each basin above the threshold, the basin of the prediction that has it, and whether it is the first there."""
    seen: set[int] = set()
    for basin in level.above(threshold):
        home = mid.home(level.minimum(basin), set(own))
        yield basin, home, home not in seen
        seen.add(home)


def _hidden_basins(low: _Level, mid: _Level, own: list[int], threshold: float, found: _Found) -> None:
    """Requests points at which the surface may be deeper than predicted: in a predicted basin, or in a new basin."""
    for basin, home, first in _homes(low, mid, own, threshold):
        point = low.minimum(basin)
        found.ask(point, mid.minimum(home) if first else point, mid.birth(home) - low.birth(basin) if first else None)


def _hidden_walls(mid: _Level, high: _Level, own: list[int], threshold: float, found: _Found) -> None:
    """Requests points of walls that were not seen: a wall makes a basin end later, or makes a new basin."""
    doubtful = []
    for basin, home, first in _homes(high, mid, own, threshold):
        later = high.death(basin) - mid.death(home) if first else high.death(basin) - high.birth(basin)
        if np.isfinite(later) and later > found.accuracy:
            doubtful.append((later, basin, mid.minimum(home) if first else high.minimum(basin)))
    for later, basin, pair in sorted(doubtful, reverse=True)[:MOST]:
        for point in _ways_out(high, mid, found, basin):
            found.ask(point, pair, later)


def _hidden_gaps(low: _Level, mid: _Level, own: list[int], threshold: float, found: _Found) -> None:
    """Requests points of gaps in predicted walls that were not seen: a gap ends a basin earlier, or removes it."""
    ends: dict[int, float] = {}
    for basin, home, _ in _homes(low, mid, own, threshold):
        ends[home] = max(low.death(basin), ends.get(home, -np.inf))
    doubtful = []
    for basin in own:
        earlier = mid.death(basin) - ends.get(basin, mid.birth(basin))
        if np.isfinite(earlier) and earlier > found.accuracy:
            doubtful.append((earlier, basin))
    for earlier, basin in sorted(doubtful, reverse=True)[:MOST]:
        for point in _ways_out(mid, low, found, basin):
            found.ask(point, mid.minimum(basin), earlier)


def _ways_out(wall: _Level, gap: _Level, found: _Found, basin: int) -> list[int]:
    """Unknown points around a basin of one surface, below its saddle, through which a different surface has a way out.

    The lowest points are first. No two points are near each other, as a point informs about its neighbours too.

    Returns:
        The numbers of the points.
    """
    level = wall.death(basin)
    below = scipy.ndimage.label(wall.surface < level)[0]
    inside = below == below.ravel()[wall.minimum(basin)]
    around = scipy.ndimage.binary_dilation(inside) & ~inside & ~found.known.reshape(inside.shape)
    points = np.flatnonzero(around & (gap.surface < level - found.accuracy))
    points = points[np.argsort(gap.surface.ravel()[points], kind="stable")]
    places = np.stack(np.unravel_index(points, inside.shape), 1)
    chosen: list[int] = []
    while len(points) and len(chosen) < WAYS:
        chosen.append(int(points[0]))
        far = np.abs(places - places[0]).max(1) > APART
        points, places = points[far], places[far]
    return chosen
