"""Where a function that starts at 0 reaches a level: by doubling, then by bisection with a guess from a power law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Crossing", "crossing"]

TOLERANCE = 1e-3
"""Of the level, by which the value may miss it."""

_FURTHEST = 2.0**20  # of the start
_DOWN = 1 / 16  # at most so far at once
_MOST = 200  # values; bisection takes some twenty


@dataclass(frozen=True)
class Crossing:
    """Where a function reaches a level.

    Args:
        at: The place; infinite where it was not reached, 0 where it was exceeded everywhere.
        slope: By how much the function changes there.
    """

    at: float
    slope: float


def crossing(
    rise: Callable[[float], float], level: float, start: float, *, power: float, longest: float = 2.0
) -> Crossing:
    """The place at which a function reaches a level, coming from below.

    Args:
        rise: The function of a positive number. What is not finite counts as above the level.
        level: A positive number.
        start: Where to look first.
        power: About as which power the function rises.
        longest: How many times as far it may look next. Default 2: further on could be beyond a hill.

    Returns:
        The place, at which the value misses the level by a thousandth at most; of a function that jumps there a place
        just below.
    """
    low, high, at = 0.0, math.inf, start
    before: tuple[float, float] | None = None
    for number in range(_MOST):
        value, near = rise(at), False
        if math.isfinite(value) and value > 0:
            if before is not None and before[0] != at and before[1] != value:
                found = math.log(value / before[1]) / math.log(at / before[0])
                power = min(max(found, 0.5), 8.0)
            before = at, value
            # A function that approaches the level from below may never reach it: test a point further on.
            near = abs(value - level) <= TOLERANCE * level
            if near and (value >= level or not rise(at * (1 + TOLERANCE)) < level):
                return Crossing(at, power * value / at)
        low, high = (at, high) if math.isfinite(value) and value < level else (low, at)
        if high <= low * (1 + TOLERANCE):
            return Crossing(low, math.inf)
        if low > start * _FURTHEST:
            return Crossing(math.inf, 0.0)
        if high < start / _FURTHEST:
            return Crossing(0.0, math.inf)
        guess = math.nan if near or not (math.isfinite(value) and value > 0) else at * (level / value) ** (1 / power)
        at = _next(guess, at, (low, high), longest, plain=number % 4 == 3)
    return Crossing(low, math.inf)  # unreachable but for a function without an order


def _next(guess: float, at: float, between: tuple[float, float], longest: float, *, plain: bool) -> float:
    """Where to look next: at the guess, as far as it lies between what is known; now and then without a guess."""
    low, high = between
    if high == math.inf:
        return min(guess, at * longest) if guess > at and not plain else at * longest
    if not low:
        return max(guess, at * _DOWN) if guess < at and not plain else at * _DOWN
    return guess if low < guess < high and not plain else math.sqrt(low * high)
