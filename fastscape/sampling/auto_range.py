"""The reach of an axis whose range is left open: how far from its centre the loss has risen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Reach", "not_found", "reach_of"]

FACTOR = 10  # times the loss at the centre
SHARE = 0.001  # of the mean at reach 1: a smaller centre counts as this much, as ten times 0 is 0
STEPS = 12  # half powers of two, up and down from 1


class Reach(NamedTuple):
    """How far an axis goes to both sides of its centre.

    Args:
        reach: The end of the axis; it begins at the negative of it.
        centre: The loss at coordinate 0.
        ends: The losses at -reach and at reach.
        factor: The required ratio of their mean to the loss at the centre.
        found: Whether this is the first reach with that ratio; False if the search ended at its last step.
    """

    reach: float
    centre: float
    ends: list[float]
    factor: int
    found: bool


def reach_of(loss_at: Callable[[float], float], name: str) -> Reach:
    """The first reach at which the loss has risen tenfold.

    With `mean(r) = (loss(r) + loss(-r)) / 2`, the loss has risen at r if `mean(r)` is above 0 and at least
    `10 max(loss(0), 0.001 mean(1))`, or if one of both losses is NaN or infinite. The reaches 2^(k/2),
    k = -12 ... 12, are tried in turn from 1. If the loss has risen at 1, the search goes down as long as the loss has
    risen, and the result is the smallest reach of this run. If not, the search goes up until the loss has risen. If
    the mean does not grow steadily, the loss may have risen at a smaller reach too.

    If `mean(1)` is not finite, the mean of the largest smaller reach with a finite mean replaces it.

    Args:
        loss_at: The loss at a coordinate.
        name: What the axis is called in error messages: "x" or "y".

    Returns:
        The reach; the largest if the loss has risen nowhere, the smallest if it has risen everywhere.

    Raises:
        ValueError: When the loss at the centre is not finite, or a loss is below 0 by more than 0.001 `mean(1)`.

    Example:
        >>> from fastscape.sampling import reach_of
        >>> reach_of(lambda x: 1 + x**2, "x").reach  # 1 + 8 is not tenfold yet
        4.0
    """
    walk = _Walk(loss_at, name)
    k, ends, found = 0, walk.ends(0), True
    if walk.risen(ends):
        while walk.risen(below := walk.ends(k - 1)):
            k, ends = k - 1, below
            if k == -STEPS:
                found = False
                break
    else:
        while not (found := walk.risen(ends)) and k < STEPS:
            k += 1
            ends = walk.ends(k)
    return Reach(_reach(k), walk.centre, ends, FACTOR, found)


class _Walk:
    """The losses at the ends of each reach in turn."""

    def __init__(self, loss_at: Callable[[float], float], name: str) -> None:
        self.loss_at, self.name, self.centre = loss_at, name, loss_at(0.0)
        self.scale: float | None = None  # of the losses: their mean at reach 1
        if not math.isfinite(self.centre):
            raise ValueError(
                f"an axis without a range ends at ten times the loss at the centre, which is {self.centre}; "
                f"{self._instead}"
            )

    @property
    def _instead(self) -> str:
        return f"write the range of {self.name} in numbers, for example {self.name}=(-1.0, 1.0, 51)"

    def ends(self, k: int) -> list[float]:
        """The losses at both ends."""
        reach = _reach(k)
        ends = [self.loss_at(-reach), self.loss_at(reach)]
        if not math.isfinite(sum(ends)):
            return ends
        if self.scale is None:
            self.scale = sum(ends) / 2
        for at, loss in ((0.0, self.centre), (-reach, ends[0]), (reach, ends[1])):
            if loss < -SHARE * self.scale:  # a loss nearer to 0 may be rounding
                raise ValueError(
                    f"an axis without a range needs losses of at least 0, and the loss at {self.name}={at:.6g} is "
                    f"{loss:.6g}; {self._instead}"
                )
        return ends

    def risen(self, ends: list[float]) -> bool:
        """Whether the loss has risen at both ends together."""
        mean = sum(ends) / 2
        if self.scale is None or not math.isfinite(mean):
            return True
        return mean > 0 and mean >= FACTOR * max(self.centre, SHARE * self.scale)


def _reach(k: int) -> float:
    return 2.0 ** (k / 2)


def not_found(name: str, reach: float) -> str:
    """Warns of an axis whose end is not the first reach at which the loss has risen.

    Args:
        name: Of the axis.
        reach: Where it ends.

    Returns:
        A warning.
    """
    if reach > 1:
        what = f"has not risen to {FACTOR} times that at the centre up to"
    else:
        what = f"has risen to at least {FACTOR} times that at the centre already at"
    numbers = f"write {name}=(start, stop, count) for another range"
    return f"along {name} the loss {what} {reach:.6g}, where the axis ends; {numbers}"
