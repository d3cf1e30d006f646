"""Critical sharpness: what the longest step of gradient descent that does not raise the loss says of the curvature."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fastscape.curvature.sharpness.crossings import crossing
from fastscape.curvature.sharpness.measure import ORDER, About, Found
from fastscape.curvature.sharpness.surroundings import Surroundings

__all__ = ["CRITICAL", "critical_sharpness"]

CRITICAL = About(
    "critical_sharpness",
    "loss / weights^2",
    "2 / eta_c, eta_c the smallest eta > 0 at which L(w - eta g) >= L(w), g the gradient of L",
    "Twice the inverse of the learning rate at which a step of gradient descent begins to raise the loss. On a "
    "quadratic it is g^T H g / g^T g, the mean of the eigenvalues of the Hessian H weighted by the gradient.",
    "Kalra et al. 2026, arXiv 2601.16979, critical sharpness",
    (ORDER,),
)

_BEGUN = 1e-3  # of the length of the weights


def critical_sharpness(around: Surroundings) -> Found:
    """Critical sharpness along the gradient of the whole loss.

    Args:
        around: The loss.

    Returns:
        The value; not a number where the gradient is 0.
    """
    slope = around.here
    square = float(slope.gradient.square().sum())
    if not square:
        return Found(math.nan, None, {}, "the gradient is 0 here, so there is no step")
    row = torch.zeros_like(around.theta)
    row[around.entries] = -slope.gradient.to(row)

    def write(k: int, out: Tensor) -> None:
        out.copy_(row)

    with around.along(1, write) as losses:

        def rise(eta: float) -> float:
            """`g^T g` plus the mean slope up to eta: on a quadratic in proportion to eta."""
            return square + (float(losses.at([eta])[0, 0]) - slope.loss) / eta

        start = _BEGUN * (float(around.weights.norm()) or 1.0) / math.sqrt(square)
        found = crossing(rise, square, start, power=1.0)
    if found.at == math.inf:
        return Found(0.0, 0.0, {}, "the loss falls along the whole ray")
    if not found.at:
        return Found(math.inf, None, {}, "even the smallest step that can be told apart raises the loss")
    jumps = not math.isfinite(found.slope)
    said = "the loss is not finite, or jumps, just beyond" if jumps else f"at the learning rate {found.at:.4g}"
    return Found(2 / found.at, 0.0, {}, said, {"learning_rate": found.at, "gradient_norm": math.sqrt(square)})
