"""The reach of an axis whose range is left open: how far from its centre the loss has risen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch

from fastscape.basis import Basis
from fastscape.engine import Engine
from fastscape.grid import Auto, Axis, axis
from fastscape.parallel import Ranks
from fastscape.plan import Plan
from fastscape.problem import Problem
from fastscape.schemes import Scheme
from fastscape.store import Store
from fastscape.stored import known_reach

__all__ = ["Reach", "reach_of", "resolved"]

FACTOR = 10  # times the loss at the centre
SHARE = 0.001  # of the mean at reach 1, as which a centre near 0 counts: ten times nothing is nothing
STEPS = 12  # half powers of two, up and down from 1


class Reach(NamedTuple):
    """How far an axis goes to both sides of its centre.

    Args:
        reach: The end of the axis; it begins at the negative of it.
        centre: The loss at coordinate 0.
        ends: The losses at -reach and at reach.
        factor: How many times the loss at the centre their mean was to be.
        found: Whether this is the first reach where it is; else the ladder has come to its end.
    """

    reach: float
    centre: float
    ends: list[float]
    factor: int
    found: bool


def resolved(
    wanted: Sequence[Axis],
    problem: Problem,
    basis: Basis,
    scheme: Scheme,
    plan: Plan,
    store: Store | None,
    ranks: Ranks | None,
) -> tuple[list[np.ndarray], dict[str, Any] | None, list[str]]:
    """The axes, once the ranges that were left open are chosen.

    What a store was begun with is taken again, whatever this machine would round otherwise; and of several processes
    the first one chooses for all.

    Args:
        wanted: Coordinates of one or two axes, or `Auto`.
        problem: What is evaluated; of data in parts the first part.
        basis: What the points are combinations of.
        scheme: How the coordinates combine it.
        plan: How to evaluate; here it is point by point.
        store: Where points are kept, or None.
        ranks: The processes that share the points, or None.

    Returns:
        Coordinates of the axes; a `Reach` as plain values by the name of each axis that was left open, or None where
        there is none; and the warnings that were given.

    Raises:
        ValueError: When the losses have no tenfold, see `reach_of`, or the first process was given numbers.
    """
    names = [name for name, spec in zip("xy", wanted, strict=False) if isinstance(spec, Auto)]
    reaches: dict[str, Any] = {}
    if names and (ranks is None or ranks.leads):
        kept = {} if store is None else known_reach(store.path)
        reaches = {name: kept[name] for name in names if name in kept}
        if len(reaches) < len(names):
            loss_at = _losses(problem, basis, scheme, plan)
            along = {name: partial(_along, loss_at, "xy".index(name), len(wanted)) for name in names}
            reaches |= {name: reach_of(along[name], name)._asdict() for name in names if name not in kept}
    if ranks is not None:
        reaches = ranks.shared("reach", reaches)
        if reaches.keys() != set(names):
            raise ValueError(
                f"process {ranks.rank} of {ranks.size} has another x or y than process 0, 'auto' or not; give all the "
                "same"
            )
    axes = []
    for name, spec in zip("xy", wanted, strict=False):
        if isinstance(spec, Auto):
            reach = reaches[name]["reach"]
            axes.append(axis(name, (-reach, reach, spec.count)))
        else:
            axes.append(spec)
    messages = [_not_found(name, found["reach"]) for name, found in reaches.items() if not found["found"]]
    for message in messages:
        warnings.warn(message, stacklevel=4)
    return axes, reaches or None, messages


def reach_of(loss_at: Callable[[float], float], name: str) -> Reach:
    """The first reach at which the loss has risen tenfold.

    With `mean(r) = (loss(r) + loss(-r)) / 2`, the loss has risen at r when `mean(r)` is above 0 and at least
    `10 max(loss(0), 0.001 mean(1))`, or when one of both losses is NaN or infinite. The reaches 2^(k/2),
    k = -12 ... 12, are tried one after the other from 1: down as long as the loss has risen, and the reach is the last
    one where it had; or up until it has. Where the mean does not grow steadily, a smaller reach may have risen too.

    Where `mean(1)` is not finite, that of the largest reach below is taken in its place.

    Args:
        loss_at: The loss at a coordinate.
        name: What the axis is called in error messages: "x" or "y".

    Returns:
        The reach; the largest where the loss has risen nowhere, the smallest where it has risen everywhere.

    Raises:
        ValueError: When the loss at the centre is not finite, or a loss is below 0 by more than 0.001 `mean(1)`.

    Example:
        >>> from fastscape.reach import reach_of
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
    """The losses at the ends of one reach after the other."""

    def __init__(self, loss_at: Callable[[float], float], name: str) -> None:
        self.loss_at, self.name, self.centre = loss_at, name, loss_at(0.0)
        self.scale: float | None = None  # of the losses: their mean at reach 1
        if not math.isfinite(self.centre):
            raise ValueError(f"the loss at the centre is {self.centre}, of which there is no tenfold; {self._instead}")

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
            if loss < -SHARE * self.scale:  # what is nearer to 0 may be rounding
                raise ValueError(
                    f"the loss at {self.name}={at:.6g} is {loss:.6g}, and below 0 a tenfold says nothing; "
                    f"{self._instead}"
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


def _losses(problem: Problem, basis: Basis, scheme: Scheme, plan: Plan) -> Callable[[tuple[float, ...]], float]:
    """What gives the loss at a grid point, evaluated by itself."""
    order: Any = "channels_last" if basis.layout.channels_last else "contiguous"
    alone = replace(plan, batching="loop", chunk=1, memory_format=order, workers=1, compile=False, hoist=False)
    engine = Engine(problem, basis, scheme, alone)

    @cache  # the centre belongs to both axes
    def loss_at(point: tuple[float, ...]) -> float:
        points = torch.tensor([point], dtype=torch.float64, device="cpu")
        return float(engine.sums(points)[0, 0]) / problem.size

    return loss_at


def _along(loss_at: Callable[[tuple[float, ...]], float], place: int, axes: int, coordinate: float) -> float:
    """The loss at a coordinate of one axis, those of the others being 0."""
    return loss_at(tuple(coordinate if k == place else 0.0 for k in range(axes)))


def _not_found(name: str, reach: float) -> str:
    """What is said of an axis at whose end the loss has not risen for the first time."""
    if reach > 1:
        what = f"has not risen to {FACTOR} times that at the centre up to"
    else:
        what = f"has risen to at least {FACTOR} times that at the centre already at"
    numbers = f"write {name}=(start, stop, count) for another range"
    return f"along {name} the loss {what} {reach:.6g}, where the axis ends; {numbers}"
