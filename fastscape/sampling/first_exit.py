"""Finds where a score first leaves its range along each direction: a scan from the model on, then a root search.

A score may leave and return, so the scan takes small steps, and the first step outside counts. The scan does not see
an excursion between two steps. If even the first step is outside, the scan starts again with steps that are sixteen
times as small, so a radius is never of the size of a step. The method of Chandrupatla (1997) then searches between the
last step inside and the first step outside: it interpolates if the score is smooth, and halves if it jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Exits", "Scan", "first_exits"]

FINER = 16
"""How many steps a new scan takes within the first step of the previous scan."""

_FINEST = 2.0**-40  # of the limit: a score that is outside at this radius leaves at once

Excess = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Maps numbers of directions [m] and radii along them [m] to how far the scores are outside [m]; inside at most 0."""


class Scan(NamedTuple):
    """How radii are searched for.

    Args:
        limit: The largest radius.
        steps: Steps of the scan up to the limit.
        tolerance: The largest error of a radius, relative to the radius.
        together: Points that are cheap to evaluate at once. If fewer directions are left, each is evaluated some steps
            ahead, possibly beyond its exit.
    """

    limit: float
    steps: int
    tolerance: float
    together: int = 1


@dataclass(frozen=True, eq=False)
class Exits:
    """Where scores leave their range.

    Args:
        inside: For each direction the largest radius below the exit at which the score was seen inside [n]; the limit
            if the score was never seen outside.
        outside: The smallest radius at which the score was seen outside [n]; infinite if it never was.
        spacing: The step between the radii of the scan that found the exit [n].
    """

    inside: np.ndarray
    outside: np.ndarray
    spacing: np.ndarray


class _Ray:
    """The scan along one direction.

    Args:
        scan: How radii are searched for.
        at_model: How far the score is outside at the model; at most 0.
    """

    def __init__(self, scan: Scan, at_model: float) -> None:
        self.finest, self.done = scan.limit * _FINEST, False
        self.spacing, self.last, self.seen = scan.limit / scan.steps, scan.steps, 0
        self.at_model = self.below = at_model
        self.outside = self.above = np.inf

    @property
    def inside(self) -> float:
        return self.seen * self.spacing

    def ahead(self, most: int) -> np.ndarray:
        """The next radii, at most the given number."""
        return np.arange(self.seen + 1, min(self.seen + most, self.last) + 1) * self.spacing

    def told(self, excess: np.ndarray) -> None:
        """Takes the excess at the next radii."""
        left = np.flatnonzero(excess > 0)
        passed = int(left[0]) if len(left) else len(excess)
        if passed:
            self.below = float(excess[passed - 1])
        self.seen += passed
        if len(left):
            self.outside, self.above = (self.seen + 1) * self.spacing, float(excess[passed])
            self.done = self.seen > 0 or self.spacing <= self.finest
            if not self.done:
                self.spacing, self.last, self.below = self.spacing / FINER, FINER - 1, self.at_model
        elif self.seen == self.last:
            self.done = True


def first_exits(excess: Excess, count: int, at_model: float, scan: Scan) -> Exits:
    """Finds where the score first leaves its range along each direction.

    Args:
        excess: How far scores are outside.
        count: Number of directions.
        at_model: How far the score is outside at the model; at most 0.
        scan: How radii are searched for.

    Returns:
        An interval for each radius, as narrow as the tolerance, or wider if the score leaves at once.
    """
    rays = [_Ray(scan, at_model) for _ in range(count)]
    while active := [k for k, ray in enumerate(rays) if not ray.done]:
        most = max(scan.together // len(active), 1)
        ahead = [rays[k].ahead(most) for k in active]
        sizes = [len(radii) for radii in ahead]
        found = excess(np.repeat(active, sizes), np.concatenate(ahead))
        for k, part in zip(active, np.split(found, np.cumsum(sizes)[:-1]), strict=True):
            rays[k].told(part)
    return _narrowed(excess, rays, scan.tolerance)


def _narrowed(excess: Excess, rays: Sequence[_Ray], tolerance: float) -> Exits:
    """The intervals between the steps of scans, made as narrow as the tolerance: Chandrupatla's method for all.

    The newest point is a, the other end of the interval b, and c the point that a replaced.

    Args:
        excess: As for `first_exits`.
        rays: Finished scans.
        tolerance: The largest error of a radius, relative to the radius.

    Returns:
        The intervals.
    """
    inside, outside, below, above, spacing = (
        np.array([getattr(ray, name) for ray in rays]) for name in ("inside", "outside", "below", "above", "spacing")
    )
    a, b, fa, fb = inside.copy(), outside.copy(), below, above
    share = np.full(len(a), 0.5)  # of the way from a to b: the next radius
    while True:
        wide = np.flatnonzero(np.isfinite(outside) & (outside - inside > tolerance * outside) & (inside > 0))
        if not len(wide):
            return Exits(inside, outside, spacing)
        at = a[wide] + share[wide] * (b[wide] - a[wide])
        found = excess(wide, at)
        same = (found > 0) == (fa[wide] > 0)
        c, fc = np.where(same, a[wide], b[wide]), np.where(same, fa[wide], fb[wide])
        b[wide], fb[wide] = np.where(same, b[wide], a[wide]), np.where(same, fb[wide], fa[wide])
        a[wide], fa[wide] = at, found
        inside[wide] = np.where(found > 0, inside[wide], at)
        outside[wide] = np.where(found > 0, at, outside[wide])
        least = np.minimum(tolerance * outside[wide] / (2 * np.abs(b[wide] - a[wide])), 0.5)
        share[wide] = np.clip(_interpolated((a[wide], b[wide], c), (fa[wide], fb[wide], fc)), least, 1 - least)


def _interpolated(at: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> np.ndarray:
    """The place of 0, as a share of the way from a to b: by the inverse parabola if it surely helps, else half."""
    (a, b, c), (fa, fb, fc) = at, values
    with np.errstate(all="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        parabola = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
        helps = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(parabola)
    return np.where(helps, parabola, 0.5)
