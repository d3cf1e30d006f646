"""Precisions: of the basis, of weights and activations, and what a reduced one costs in accuracy.

With a reduced precision theta and the directions stay in float32; the weights of a point are rounded once, when it is
made. Batch normalisation keeps float32 where it does not move, and losses are computed from float32 outputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastscape.basis import Basis
from fastscape.engine import Engine
from fastscape.plan import MICROBATCH, Plan
from fastscape.problem import Problem
from fastscape.schemes import Scheme

__all__ = ["PRECISIONS", "Precision", "error_of", "spread", "values_at_some"]

POINTS = 5


class Precision(NamedTuple):
    """Dtypes of a run.

    Args:
        weights: Of the weights of a point, and of activations.
        basis: Of theta, the directions, and the targets.
    """

    weights: torch.dtype
    basis: torch.dtype

    @property
    def reduced(self) -> bool:
        """Whether weights and activations are narrower than the basis."""
        return self.weights != self.basis


PRECISIONS = {
    "float64": Precision(torch.float64, torch.float64),
    "float32": Precision(torch.float32, torch.float32),
    "bfloat16": Precision(torch.bfloat16, torch.float32),
    "float16": Precision(torch.float16, torch.float32),
}
"""Precisions by name."""


def spread(points: Tensor) -> Tensor:
    """A handful of points from a grid, from its first to its last.

    Args:
        points: Grid coordinates [G, D].

    Returns:
        Their numbers [n], increasing, at most 5.
    """
    return torch.linspace(0, len(points) - 1, min(POINTS, len(points)), dtype=torch.float64, device="cpu").long()


def values_at_some(problem: Problem, basis: Basis, scheme: Scheme, points: Tensor, plan: Plan) -> Tensor:
    """The means over the samples at those points that `error_of` compares, for values that have no such means.

    Args:
        problem: What is evaluated.
        basis: What the points are combinations of.
        scheme: How the coordinates combine it.
        points: Grid coordinates [G, D].
        plan: How the values were evaluated.

    Returns:
        Means [G, measures]; NaN at the other points.
    """
    chosen = spread(points)
    engine = Engine(problem, basis, scheme, replace(plan, batching="loop", hoist=False, compile=False, workers=1))
    found = torch.cat([engine.sums(points[g : g + 1]) for g in chosen.tolist()]).cpu() / problem.size
    values = torch.full((len(points), found.shape[1]), torch.nan, dtype=found.dtype, device="cpu")
    values[chosen] = found
    return values


def error_of(
    values: Tensor, problem: Problem, basis: Basis, scheme: Scheme, points: Tensor, plan: Plan
) -> dict[str, Any]:
    """How far values are from those of a wider precision, at a handful of grid points.

    Args:
        values: Means over the samples [G, measures], of the reduced precision.
        problem: The same problem in the wider precision.
        basis: What the points are combinations of.
        scheme: How the coordinates combine it.
        points: Grid coordinates [G, D].
        plan: How the values were evaluated.

    Returns:
        The number of points that were compared, those with finite losses, and the largest and the root-mean-square
        difference of the loss, as fractions of the largest loss among them; None when there is no such point.
    """
    chosen = spread(points)
    order: Any = "channels_last" if basis.layout.channels_last else "contiguous"
    wide = Engine(problem, basis, scheme, Plan("loop", 1, min(plan.microbatch, MICROBATCH), plan.kernels, order))
    truth = torch.cat([wide.sums(points[g : g + 1])[:, 0] for g in chosen.tolist()]).cpu() / problem.size
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
