"""Measures the error of a reduced precision: compares it with a wider precision at a few points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from fastscape.engine.plan import MICROBATCH, Plan
from fastscape.engine.single_points import means_at
from fastscape.model import Problem
from fastscape.weights import Space

__all__ = ["error_of", "spread", "values_at_some"]

POINTS = 5


def spread(points: Tensor) -> Tensor:
    """A handful of points from a grid, from its first to its last.

    Args:
        points: Grid coordinates [G, D].

    Returns:
        Their numbers [n], increasing, at most 5.
    """
    return torch.linspace(0, len(points) - 1, min(POINTS, len(points)), dtype=torch.float64, device="cpu").long()


def values_at_some(problem: Problem, space: Space, points: Tensor, plan: Plan) -> Tensor:
    """The means over the samples at the points that `error_of` compares, if a run has no such means itself.

    Args:
        problem: What is evaluated.
        space: The space of the points.
        points: Grid coordinates [G, D].
        plan: How the values were evaluated.

    Returns:
        Means [G, measures]; NaN at the other points.
    """
    chosen = spread(points)
    found = means_at(problem, space, points[chosen], plan)
    values = torch.full((len(points), found.shape[1]), torch.nan, dtype=found.dtype, device="cpu")
    values[chosen] = found
    return values


def error_of(values: Tensor, problem: Problem, space: Space, points: Tensor, plan: Plan) -> dict[str, Any]:
    """The difference of values from a wider precision, at a handful of grid points.

    Args:
        values: Means over the samples [G, measures], of the reduced precision.
        problem: The same problem in the wider precision.
        space: The space of the points.
        points: Grid coordinates [G, D].
        plan: How the values were evaluated.

    Returns:
        The number of compared points, which are points with finite losses; and the largest and the root-mean-square
        difference of the loss, as fractions of their largest loss. Both are None if there is no such point or if all
        losses are 0.
    """
    chosen = spread(points)
    wide = replace(plan, microbatch=min(plan.microbatch, MICROBATCH))
    truth = means_at(problem, space, points[chosen], wide)[:, 0]
    narrow = values[chosen, 0]
    finite = truth.isfinite() & narrow.isfinite()
    largest = truth[finite].abs().max() if finite.any() else truth.new_zeros(())
    if largest == 0:
        return {"points": int(finite.sum()), "largest": None, "rms": None}
    difference = (narrow[finite] - truth[finite]) / largest
    return {
        "points": len(difference),
        "largest": float(difference.abs().max()),
        "rms": float(difference.square().mean().sqrt()),
    }
