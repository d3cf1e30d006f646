"""Adds the derivatives of the loss along the axes to the values that a plan evaluates.

    w, w_x, w_y, w_xx, w_xy, w_yy of a point  ->  for each microbatch: the derivatives of the sum of its losses

They are computed point by point: one launch of the interpolation makes the weights and their derivatives, which are
combinations of the same vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.further import FurtherEngine, rows_at
from fastscape.model import (
    Batch,
    LossOf,
    Problem,
    at_rest,
    forward_over_forward,
    loss_sum,
    reverse_over_reverse,
    twice_differentiable,
)
from fastscape.weights import Space, coefficient_rows

__all__ = ["DerivativeEngine", "loss_at"]


class DerivativeEngine(FurtherEngine):
    """An engine that adds the derivatives of the loss along the axes. See `FurtherEngine`."""

    def prepare(self) -> None:
        """Prepares the sum of the losses over each microbatch."""
        batches = self.problem.batches(self.plan.microbatch, channels_last=self.plan.channels_last)
        own = ((index, batch) for index, batch in enumerate(batches) if not batch.of)  # of the first data set
        self._losses = [loss_at(self.problem, self.space, batch, index) for index, batch in own]

    def values(self, space: Space, points: Tensor) -> Tensor:
        """The derivatives at some points. See `FurtherEngine.values`."""
        return torch.stack([self._at(space, coefficients) for coefficients in coefficient_rows(space, points)])

    def _at(self, space: Space, coefficients: Tensor) -> Tensor:
        """The derivatives [R - 1] at one point, over all samples."""
        derivatives = self.problem.objective.derivatives
        assert derivatives is not None  # checked before this engine is made
        way = forward_over_forward if derivatives.forward else reverse_over_reverse
        rows, axes = rows_at(self.problem, space, coefficients), space.axes
        at_rest()  # for signals, which arrive between two points
        with twice_differentiable(self.problem):
            return torch.stack([way(loss, rows, axes) for loss in self._losses]).sum(0)


def loss_at(problem: Problem, space: Space, batch: Batch, index: int) -> LossOf:
    """The sum of the losses over a microbatch as a function of the weights.

    Args:
        problem: What is evaluated.
        space: The space of the points.
        batch: The microbatch, in the memory format of the space.
        index: Its number.

    Returns:
        A function of the weights [P] that torch can differentiate.
    """
    layout = space.layout
    fixed = problem.fixed(channels_last=layout.channels_last)

    def loss(flat: Tensor) -> Tensor:
        return loss_sum(problem, {**fixed, **layout.unflatten(flat)}, batch, index)

    return loss
