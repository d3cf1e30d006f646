"""Estimates the error of a prediction by leaving out known points, and corrects it by held-out points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastscape.sampling.standing import Standing

__all__ = ["HeldOut", "Tested", "Trust", "judged"]

# Each of these factors times its estimate is above the error in all but a few of a hundred runs:
SAFE = 1.4  # the expected error
LEFT_OUT = 0.6  # the leave-one-out error, for which the holes are about twice as wide
SEEN_ANYWHERE = 1.0  # the error at held-out points that were drawn uniformly
SEEN = 0.7  # the error at held-out points, most of which were chosen because their errors are large
SHRINKS = 2  # an error shrinks by about this power of the number of points
BACK = 3  # rounds whose held-out points correct expected errors
ALREADY = 16  # held-out points that an untested expectation is worth
SEEN_SHARE = 0.5  # of the known points: this many of the latest held-out points count
ENOUGH = 96  # if as many of these points were drawn uniformly, no other points count
QUIET = 64  # latest held-out points that give the share of surprises, if surprises are possible


class Trust(NamedTuple):
    """How far a prediction can be trusted; errors are fractions of the range of the heights.

    Args:
        rms: Estimate of the root mean square error over all points of the grid.
        at_most: A bound of this error, which holds in at least 95 of 100 runs.
        largest: The largest error at a held-out point.
        left_out: Estimate of this error by leaving out known points, so for larger gaps than there are.
        edge: Points at the edge of a region without finite values that are not known yet.
        held_out: How many points were held out.
        others: `rms` for every other measure, as a fraction of its own range.
        pairs: How many pairs of a minimum and a saddle are above the threshold; 0 without a threshold.
        uncertain: How many pairs are in doubt, including pairs that the prediction may lack; -1 if not known yet.
        settling: Rounds whose points were chosen to settle these doubts.
    """

    rms: float
    at_most: float
    largest: float
    left_out: float
    edge: int
    held_out: int
    others: list[float]
    pairs: int = 0
    uncertain: int = 0
    settling: int = 0

    def within(self, tolerance: float) -> bool:
        """Whether the errors are within a tolerance."""
        return self.at_most <= tolerance and not self.edge and self.held_out > 0 and not self.uncertain


class Tested(NamedTuple):
    """The points of a round, which were predicted before they were evaluated.

    Args:
        errors: Prediction minus value [n, M], as fractions of the ranges, of points for which both are finite.
        expected: The squares of the expected errors [n, M].
        surprised: Whether a value was finite but was not predicted to be, or the reverse [points of the round].
        anywhere: Which errors belong to points that were drawn uniformly [n].
        known: How many points the predictions used.
    """

    errors: np.ndarray
    expected: np.ndarray
    surprised: np.ndarray
    anywhere: np.ndarray
    known: int

    @property
    def largest(self) -> float:
        """The largest error of the heights; 1 at a surprise."""
        return float(np.abs(self.errors[:, 0]).max(initial=float(self.surprised.any())))


class HeldOut:
    """The errors of points of several rounds that were predicted before they were evaluated.

    `points` are the points of the current round; the last `anywhere` points were drawn uniformly.

    Args:
        generator: Of the random points.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.points, self.anywhere = np.empty(0, dtype=np.int64), 0
        self.tests: list[Tested] = []

    def ask(self, sought: np.ndarray, anywhere: np.ndarray) -> np.ndarray:
        """Holds out points that were chosen, and points that were drawn uniformly; returns both together."""
        self.points, self.anywhere = np.concatenate([sought, anywhere]), len(anywhere)
        return self.points

    def add(self, test: Tested) -> None:
        """Adds the comparison of a round."""
        self.tests.append(test)
        self.points = np.empty(0, dtype=np.int64)

    @property
    def last(self) -> list[Tested]:
        """The rounds that still correct expected errors."""
        return self.tests[-BACK:]

    def factors(self, measures: int) -> np.ndarray:
        """The factors that correct the squares of expected errors [measures]; 1 if nothing was tested."""
        found = np.full(measures, float(ALREADY))
        count = np.full(measures, float(ALREADY))
        for test in self.last:
            if len(test.errors):
                mean = test.expected.mean(0)
                mean[~(mean > 0)] = np.inf  # no factor corrects an expected error of 0
                found += np.square(test.errors).sum(0) / mean
                count += np.where(np.isfinite(mean), len(test.errors), 0)
        return found / count

    def seen(self, known: int) -> float:
        """The errors of the heights at the latest held-out points, reduced by the effect of points known since.

        Args:
            known: How many points are known now.

        Returns:
            A bound of the root mean square error.
        """
        errors, anywhere = [np.zeros(0)], [np.zeros(0, dtype=bool)]
        for test in reversed(self.tests):
            errors.append(test.errors[:, 0] * (test.known / known) ** SHRINKS)
            anywhere.append(test.anywhere)
            if sum(map(len, errors)) >= SEEN_SHARE * known:
                break
        every, alike = np.concatenate(errors), np.concatenate(anywhere)
        factor = SEEN
        if alike.sum() >= ENOUGH:
            every, factor = every[alike], SEEN_ANYWHERE
        return factor * float(np.sqrt(np.square(every).sum() / max(len(every), 1)))

    def surprised(self) -> float:
        """The share of points that were wrongly predicted to be finite, or the reverse; 1 with too few tests."""
        every = np.concatenate([np.empty(0, dtype=bool), *(test.surprised for test in self.tests)])[-QUIET:]
        return float(every.mean()) if len(every) == QUIET else 1.0


def judged(now: Standing, held_out: HeldOut, ranges: np.ndarray) -> Trust:
    """Judges how good the prediction is.

    Args:
        now: The known points, and their predictions.
        held_out: The errors of the predictions so far.
        ranges: The ranges of the heights and of the further measures [M].

    Returns:
        The trust in the prediction.
    """
    rms = np.sqrt(held_out.factors(len(ranges)) * now.expected()) / ranges
    left_out = float(np.sqrt(now.left_out()[0]) / ranges[0])
    seen = held_out.seen(int(now.known.sum()))
    at_most = max(SAFE * float(rms[0]), LEFT_OUT * left_out, seen)
    surprised = 0.0 if now.seen.finite.all() else held_out.surprised()
    return Trust(
        rms=math.hypot(rms[0], math.sqrt(surprised)),
        at_most=math.hypot(at_most, math.sqrt(surprised)),
        largest=max((test.largest for test in held_out.last), default=0.0),
        left_out=left_out,
        edge=len(now.edge),
        held_out=sum(len(test.surprised) for test in held_out.last),
        others=[float(r) for r in rms[1:]],
    )
