"""Critical points of functions that are known by formula, found without a grid, and the persistence that they have."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize, root


class Gaussians(NamedTuple):
    """`f(p) = sum_i p_i^2 / 20 - sum_k a_k exp(-|p - m_k|^2 / 2 s_k^2)`: wells in a bowl.

    Args:
        centres: m [K, D].
        depths: a [K].
        widths: s [K].
    """

    centres: np.ndarray
    depths: np.ndarray
    widths: np.ndarray

    def __call__(self, p: np.ndarray) -> np.ndarray:
        return np.square(p).sum(-1) / 20 - (self._wells(p) * self.depths).sum(-1)

    def gradient(self, p: np.ndarray) -> np.ndarray:
        away = p[..., None, :] - self.centres
        pull = (self._wells(p) * self.depths / self.widths**2)[..., None] * away
        return p / 10 + pull.sum(-2)

    def hessian(self, p: np.ndarray) -> np.ndarray:
        away, weight = p - self.centres, self._wells(p) * self.depths / self.widths**2
        outer = away[:, :, None] * away[:, None, :] / self.widths[:, None, None] ** 2
        return np.eye(len(p)) / 10 + (weight[:, None, None] * (np.eye(len(p)) - outer)).sum(0)

    def _wells(self, p: np.ndarray) -> np.ndarray:
        return np.exp(-np.square(p[..., None, :] - self.centres).sum(-1) / (2 * self.widths**2))


class Landscape(NamedTuple):
    """The minima of a function, and the passes between them.

    Args:
        minima: Their places [M, D].
        heights: Their heights [M].
        passes: Of each saddle of index 1 its height and the two minima that one slides into from it.
        bend: The largest curvature, in absolute value, at a critical point.
    """

    minima: np.ndarray
    heights: np.ndarray
    passes: list[tuple[float, int, int]]
    bend: float


def explored(f: Gaussians, reach: float, starts: int, seed: int) -> Landscape:
    """All critical points that many starts lead to: minima by descent, saddles by the roots of the gradient."""
    draw, dimension = np.random.default_rng(seed), f.centres.shape[1]
    places = draw.uniform(-reach, reach, (starts, dimension))
    pairs = [(a + b) / 2 for a, b in itertools.combinations(f.centres, 2)]
    places = np.concatenate([places, f.centres, np.reshape(pairs, (-1, dimension))])
    minima = _different([minimize(f, p, jac=f.gradient, options={"gtol": 1e-12}).x for p in places])
    roots = [root(f.gradient, p, jac=f.hessian, tol=1e-13) for p in places]
    stationary = _different([r.x for r in roots if np.abs(f.gradient(r.x)).max() < 1e-9 and np.abs(r.x).max() < reach])
    passes, bends = [], []
    for p in stationary:
        values, vectors = np.linalg.eigh(f.hessian(p))
        bends.append(np.abs(values).max())
        if (values < 0).sum() == 1:
            ends = [_slid(f, p + side * 1e-3 * vectors[:, 0], minima) for side in (-1, 1)]
            passes.append((float(f(p)), *ends))
    return Landscape(minima, f(minima), passes, float(max(bends)))


def _different(points: Sequence[np.ndarray]) -> np.ndarray:
    kept: list[np.ndarray] = []
    for p in points:
        if all(np.abs(p - q).max() > 1e-4 for q in kept):
            kept.append(p)
    return np.array(kept)


def _slid(f: Gaussians, p: np.ndarray, minima: np.ndarray) -> int:
    """The minimum that steepest descent comes to, in steps that are short beside the wells."""
    for _ in range(20_000):
        step = f.gradient(p)
        p = p - 0.05 * step
        if np.abs(step).max() < 1e-7:
            break
    return int(np.abs(minima - p).max(-1).argmin())


def diagram(heights: np.ndarray, passes: Sequence[tuple[float, int, int]]) -> np.ndarray:
    """Births and deaths of regions: the lowest passes join first, and the region with the higher minimum ends."""
    group = list(range(len(heights)))
    pairs = []
    for height, one, other in sorted(passes):
        a, b = group[one], group[other]
        if a != b:
            low, high = sorted((a, b), key=lambda k: heights[k])
            pairs.append((heights[high], height))
            group = [low if k == high else k for k in group]
    pairs += [(heights[k], np.inf) for k in set(group)]
    return ordered(pairs)


def ordered(pairs: Any) -> np.ndarray:
    """Pairs of positive persistence in an order that does not depend on where they are from."""
    found = np.array(pairs, dtype=float).reshape(-1, 2)
    found = found[found[:, 1] > found[:, 0]]
    rounded = found.round(9)  # so that what differs by rounding alone does not decide
    return found[np.lexsort((rounded[:, 1], rounded[:, 0]))]


def turning_points(slope: Callable[[float], float], low: float, high: float) -> np.ndarray:
    """Where a function of one variable turns, from its slope, which changes its sign there."""
    at = np.linspace(low, high, 4001) + 1e-7
    signs = np.sign([slope(x) for x in at])
    return np.array([brentq(slope, at[k], at[k + 1], xtol=1e-15) for k in np.flatnonzero(np.diff(signs))])
