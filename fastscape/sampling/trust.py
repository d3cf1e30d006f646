"""How far a prediction can be trusted: what leaving out points shows, put right by points that were held out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastscape.sampling.standing import Standing

__all__ = ["HeldOut", "Tested", "Trust", "judged"]

# Each of these times an estimate is above the error in all but a few of a hundred runs:
SAFE = 1.4  # what is expected
LEFT_OUT = 0.6  # what leaving out points shows: the holes are about twice as wide then
SEEN_ANYWHERE = 1.0  # what was seen of held-out points that were drawn from all alike
SEEN = 0.7  # what was seen of held-out points, most of which were sought where errors are large
SHRINKS = 2  # an error shrinks by about this power of the number of points
BACK = 3  # rounds by whose held-out points an expectation is put right
ALREADY = 16  # held-out points that an expectation is worth which nothing has tested yet
SEEN_SHARE = 0.5  # of the known points: this many held-out points count as seen
ENOUGH = 96  # of them from anywhere count alone
QUIET = 64  # held-out points in a row without a surprise, where a surprise is possible


class Trust(NamedTuple):
    """How far a prediction can be trusted; errors are fractions of the range of the heights.

    Args:
        rms: Root mean square of the error over all points of the grid, estimated.
        at_most: What it is at most, in at least 95 of 100 runs.
        largest: The largest error at a point that was held out.
        left_out: Root mean square, estimated by leaving out known points: for larger gaps than there are.
        edge: Points at the edge of a region without finite values that are not known yet.
        held_out: How many points were held out.
        others: `rms` for every other measure, of its own range.
        pairs: How many pairs of a minimum and a saddle are above the threshold; 0 where nobody asked.
        uncertain: How many of these, and of others that may be there, may be otherwise; -1 where nobody can say yet.
        settling: Rounds whose points were to settle that.
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
        errors: Prediction minus value [n, M], fractions of the ranges, where both are finite.
        expected: The squares that were expected of them [n, M].
        surprised: Whether a value was finite and not predicted so, or the reverse [points of the round].
        anywhere: Which of the errors are of points that were drawn from all alike [n].
        known: How many points they were predicted from.
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

    `points` are the points of the current round, the last `anywhere` of them drawn from all alike.

    Args:
        generator: Of the random points.
    """

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.points, self.anywhere = np.empty(0, dtype=np.int64), 0
        self.tests: list[Tested] = []

    def ask(self, sought: np.ndarray, anywhere: np.ndarray) -> np.ndarray:
        """Holds out points that were sought, and others that were drawn from all alike; both together."""
        self.points, self.anywhere = np.concatenate([sought, anywhere]), len(anywhere)
        return self.points

    def add(self, test: Tested) -> None:
        """Takes what the points of the round show."""
        self.tests.append(test)
        self.points = np.empty(0, dtype=np.int64)

    @property
    def last(self) -> list[Tested]:
        """What still counts."""
        return self.tests[-BACK:]

    def factors(self, measures: int) -> np.ndarray:
        """By what the square of an expected error is multiplied [measures]: 1 where nothing was tested."""
        found = np.full(measures, float(ALREADY))
        count = np.full(measures, float(ALREADY))
        for test in self.last:
            if len(test.errors):
                mean = test.expected.mean(0)
                mean[~(mean > 0)] = np.inf  # where nothing is expected nothing can be put right
                found += np.square(test.errors).sum(0) / mean
                count += np.where(np.isfinite(mean), len(test.errors), 0)
        return found / count

    def seen(self, known: int) -> float:
        """How large the errors of the heights at the last points were, less what more points have made of them.

        Args:
            known: How many points are known now.

        Returns:
            A bound of their root mean square.
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
        """The share of points that are taken for finite and are not, or the reverse; 1 where nobody can say yet."""
        every = np.concatenate([np.empty(0, dtype=bool), *(test.surprised for test in self.tests)])[-QUIET:]
        return float(every.mean()) if len(every) == QUIET else 1.0


def judged(now: Standing, held_out: HeldOut, ranges: np.ndarray) -> Trust:
    """How good the prediction is.

    Args:
        now: What the known points say.
        held_out: What was seen of the predictions so far.
        ranges: The ranges of the heights and of the further measures [M].

    Returns:
        The trust that is to be put into it.
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
