"""The worst case in a ball around the model, by projected gradient ascent from several starts.

    max over ||u|| <= rho of  L(w + T u) - L(w)

T is 1 (SAM), or the absolute value of every weight (ASAM). A step goes along the gradient by u and back to the ball.
As long as that raises the loss, it goes so far that the length of u does not matter, to the point of the sphere where
the tangent plane is highest: on a convex loss that never goes down, and it is the power method where the gradient at
the model is 0. Otherwise the step becomes shorter. Each step is one gradient. What is found is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.sharpness.measure import LAYERS, NEURONS, ORDER, About, Found
from fastscape.curvature.sharpness.surroundings import Slope, Surroundings

__all__ = ["ADAPTIVE", "GROUPS", "WORST", "adaptive_worst_case", "m_sharpness", "worst_case"]

WORST = About(
    "worst_case",
    "loss",
    "max over ||e|| <= rho of L(w + e) - L(w)",
    "How far the loss rises at most within a ball around the weights. A lower bound: the highest point that projected "
    "gradient ascent has reached from several starts, the first of which takes the step of SAM, rho g / ||g||.",
    "Foret et al. 2021, arXiv 2010.01412, section 2",
    (ORDER,),
)
ADAPTIVE = About(
    "adaptive_worst_case",
    "loss",
    "max over ||e / |w| || <= rho of L(w + e) - L(w)",
    "The same within an ellipsoid: every weight moves in proportion to its own size, and one that is 0 does not move.",
    "Kwon et al. 2021, arXiv 2102.11600, section 3",
    (LAYERS, NEURONS, ORDER),
)
GROUPS = About(
    "m_sharpness",
    "loss",
    "mean over groups S of m samples of max over ||e|| <= rho of L_S(w + e) - L_S(w)",
    "The worst case in a ball for each group of m samples by itself, one start each, and the mean over the groups.",
    "Foret et al. 2021, arXiv 2010.01412, section 4.1; Andriushchenko & Flammarion 2022, arXiv 2206.06232",
    (ORDER,),
)

_FAR, _NEAR = 8.0, 4.0  # steps in units of rho: from the first on length does not matter; the next one below
_ARRIVED = 1e-9  # of rho

Rises = Callable[[Tensor], tuple[float, Tensor]]


@dataclass(frozen=True)
class _Climb:
    """An ascent.

    Args:
        best: The highest value.
        first: That of the first step.
        finite: Whether every value was.
    """

    best: float
    first: float
    finite: bool


def worst_case(around: Surroundings, *, rho: float, steps: int, restarts: int, seed: int) -> Found:
    """The worst case in a ball.

    Args:
        around: The loss.
        rho: Radius of the ball.
        steps: Gradients of each ascent.
        restarts: Number of starts: the first from the model itself, the rest from random points of the sphere.
        seed: Seed of the random starts.

    Returns:
        The value, which no standard error belongs to.
    """
    return _highest(around, torch.ones_like(around.weights), rho, steps=steps, restarts=restarts, seed=seed)


def adaptive_worst_case(around: Surroundings, *, rho: float, steps: int, restarts: int, seed: int) -> Found:
    """The worst case where every weight moves in proportion to its own size.

    Args:
        around: The loss.
        rho: Radius of the ellipsoid, relative to the weights.
        steps: As for `worst_case`.
        restarts: As for `worst_case`.
        seed: As for `worst_case`.

    Returns:
        The value.
    """
    scale = around.weights.abs()
    found = _highest(around, scale, rho, steps=steps, restarts=restarts, seed=seed)
    still = int((scale == 0).sum())
    said = f"{found.said}; {still} weights that are 0 do not move" if still else found.said
    return Found(found.value, None, found.settings, said, {**found.details, "still": still})


def m_sharpness(around: Surroundings, *, m: int, rho: float, steps: int) -> Found:
    """The mean over groups of samples of the worst case of each.

    Args:
        around: The loss.
        m: Samples in a group.
        rho: Radius of the ball.
        steps: Gradients of each ascent.

    Returns:
        The mean over groups, weighted by their samples, with its standard error over them.
    """
    groups = around.groups(m)
    zero, scale = torch.zeros_like(around.weights), torch.ones_like(around.weights)
    sizes, weights, values, finite = [], [], [], True
    for group in groups:
        start = around.slope(zero, group)
        rises = partial(_rise, around, scale, start.loss, partial(around.slope, batches=group))
        climb = _climbed(rises, zero, (0.0, start.gradient), rho, steps)
        sizes.append(sum(batch.samples for batch in group))
        weights.append(around.samples_in(group))
        values.append(climb.best)
        finite = finite and climb.finite
    share = np.array(weights) / sum(weights)
    mean = float(share @ np.array(values))
    count = len(groups)
    error = (
        float(np.sqrt(np.square(share * (np.array(values) - mean)).sum() * count / (count - 1))) if count > 1 else None
    )
    said = (
        f"{count} groups of {min(sizes)} to {max(sizes)} samples" if count > 1 else f"one group of {sizes[0]} samples"
    )
    if not around.may_be_cut or max(sizes) > m:
        said += ", as the data give them: these batches cannot be cut"
    if count == 1:
        said += ", so no error is known"
    said += "" if finite else "; the loss is not finite everywhere in the ball"
    return Found(mean, error, {"m": m, "rho": rho, "steps": steps}, said, {"groups": count})


def _highest(around: Surroundings, scale: Tensor, rho: float, *, steps: int, restarts: int, seed: int) -> Found:
    """The highest of several ascents."""
    here = around.here
    rises = partial(_rise, around, scale, here.loss, around.slope)
    generator = torch.Generator("cpu").manual_seed(seed)
    climbs = [_climbed(rises, torch.zeros_like(scale), (0.0, scale * here.gradient), rho, steps)]
    for _ in range(restarts - 1):
        drawn = torch.randn(len(scale), generator=generator, dtype=torch.float64, device="cpu").to(scale)
        start = drawn * (rho / drawn.norm())
        climbs.append(_climbed(rises, start, rises(start), rho, steps))
    reached = [climb.best for climb in climbs]
    said = f"a lower bound; {restarts} starts reached {min(reached):.4g} to {max(reached):.4g}"
    if not all(climb.finite for climb in climbs):
        said += "; the loss is not finite everywhere in the ball"
    settings = {"rho": rho, "steps": steps, "restarts": restarts, "seed": seed}
    return Found(max(reached), None, settings, said, {"restarts": reached, "one_step": climbs[0].first})


def _rise(
    around: Surroundings, scale: Tensor, base: float, slope: Callable[[Tensor], Slope], u: Tensor
) -> tuple[float, Tensor]:
    """How far the loss has risen at a point of the ball, and its gradient by the coordinates of the ball."""
    found = slope(scale * u)
    return found.loss - base, scale * found.gradient


def _climbed(rises: Rises, start: Tensor, at_start: tuple[float, Tensor], rho: float, steps: int) -> _Climb:
    """An ascent from a point of the ball."""
    here, (value, slope) = start, at_start
    first, best, length = value, max(value, 0.0), math.inf
    for number in range(steps):
        norm = float(slope.norm())
        if not math.isfinite(norm) or not norm:
            break
        ahead = slope * (rho / norm)
        there = ahead if length == math.inf else _projected(here + length * ahead, rho)
        if float((there - here).norm()) <= _ARRIVED * rho:
            break
        found, its_slope = rises(there)
        first = found if number == 0 else first
        if not math.isfinite(found):
            return _Climb(math.inf, first, False)
        if found > value:
            here, value, slope = there, found, its_slope
            length = 2 * length if length < _FAR else math.inf
        else:
            length = _NEAR if length == math.inf else length / 4
        best = max(best, value)
    if not math.isfinite(value):
        return _Climb(math.inf, first, False)
    return _Climb(best, first, True)


def _projected(u: Tensor, rho: float) -> Tensor:
    """The nearest point of the ball."""
    norm = float(u.norm())
    return u if norm <= rho else u * (rho / norm)
