"""The derivatives of the loss along the axes, beside whatever a plan evaluates.

    w, w_x, w_y, w_xx, w_xy, w_yy of a point  ->  for each microbatch: the derivatives of the sum of its losses

The plan's own engine evaluates the measures, so that they stay what they are without derivatives. Those are computed
point by point: one launch of the interpolation makes the weights and their derivatives, which are combinations of the
same vectors.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.kernels import interpolate
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

__all__ = ["DerivativeEngine", "loss_at", "rows_at", "with_derivatives"]


class DerivativeEngine(Engine):
    """An engine that puts the derivatives of the loss between the measures and the squares of the losses.

    It evaluates nothing itself but the derivatives, and so has nothing of what an engine prepares.

    Args:
        measures: Evaluates the measures by a plan.
        problem: What is evaluated.
        space: Where the points lie, in the memory format of the plan.
    """

    def __init__(self, measures: Engine, problem: Problem, space: Space) -> None:
        self.measures, self.problem, self.plan, self.space = measures, problem, measures.plan, space
        self._losses = self._fresh()

    def _fresh(self) -> list[LossOf]:
        """The sum of the losses over each microbatch."""
        batches = self.problem.batches(self.plan.microbatch, channels_last=self.plan.channels_last)
        own = ((index, batch) for index, batch in enumerate(batches) if not batch.of)  # of the first data set
        return [loss_at(self.problem, self.space, batch, index) for index, batch in own]

    def exchange(self, problem: Problem) -> None:
        """Goes on with other samples. See `Engine.exchange`."""
        self.measures.exchange(problem)
        self.problem = problem
        self._losses = self._fresh()

    def close(self) -> None:
        """Ends the workers."""
        self.measures.close()

    @property
    def fallback(self) -> str | None:
        """Why points are evaluated otherwise than by the plan. See `Engine.fallback`."""
        return self.measures.fallback

    def sums(self, points: Tensor) -> Tensor:
        """The sums over all samples at some points.

        Args:
            points: Grid coordinates [g, D], at most `plan.chunk` of them.

        Returns:
            Sums [g, measures, derivatives, squares], float64, on the device.
        """
        found = self.measures.sums(points)
        named = len(self.problem.objective.names)
        derivatives = []
        for repeat, own in self.space.by_repeat(points):
            space = self.space.of_repeat(repeat)
            derivatives += [self._derivatives(space, coefficients) for coefficients in coefficient_rows(space, own)]
        return torch.cat([found[:, :named], torch.stack(derivatives), found[:, named:]], dim=1)

    def products(self) -> float:
        """The share of products in the measures. See `Engine.products`."""
        return self.measures.products()

    def _derivatives(self, space: Space, coefficients: Tensor) -> Tensor:
        """The derivatives [R - 1] at one point, over all samples."""
        derivatives = self.problem.objective.derivatives
        assert derivatives is not None  # who makes this engine has looked
        way = forward_over_forward if derivatives.forward else reverse_over_reverse
        rows, axes = rows_at(self.problem, space, coefficients), space.basis.gram.shape[2] - 1
        at_rest()  # for signals, which come between two points
        with twice_differentiable(self.problem):
            return torch.stack([way(loss, rows, axes) for loss in self._losses]).sum(0)


def with_derivatives(engine: Engine, problem: Problem, space: Space) -> Engine:
    """An engine that also gives the derivatives of the loss, where they are measured.

    Args:
        engine: Evaluates the measures.
        problem: What is evaluated.
        space: Where the points lie, in the memory format of its plan.

    Returns:
        The engine for both; the same one where there are no derivatives.
    """
    return engine if problem.objective.derivatives is None else DerivativeEngine(engine, problem, space)


def rows_at(problem: Problem, space: Space, coefficients: Tensor) -> Tensor:
    """The weights of a point and their derivatives along the axes.

    Args:
        problem: What is evaluated.
        space: Where the point lies.
        coefficients: Those of `coefficient_rows` at it [R, S or 1, K].

    Returns:
        Rows [R, P] in the dtype of the problem, on its device.
    """
    vectors, place = space.basis.vectors, problem.place
    rows = torch.empty(len(coefficients), vectors.shape[1], dtype=problem.dtype, device=vectors.device)
    interpolate(vectors, coefficients.to(rows.device), space.layout.segments, out=rows, backend=place.backend)
    return rows


def loss_at(problem: Problem, space: Space, batch: Batch, index: int) -> LossOf:
    """The sum of the losses over a microbatch as a function of the weights.

    Args:
        problem: What is evaluated.
        space: Where the points lie.
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
