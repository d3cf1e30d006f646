"""Compares a plan with a plain evaluation at one point before the plan is followed."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.engine.plan import Plan
from fastscape.model import Problem, differs
from fastscape.weights import Space

__all__ = ["Comparison"]


class Comparison:
    """Compares plans with a plain evaluation at one point far from the model.

    Microbatches of the plain evaluation were seen to give the same values as the batches of the data.

    Args:
        microbatch: Samples per microbatch of the plain evaluation.
        far: Sums [measures] of the plain evaluation at the point where every coordinate is 1. Default: the first
            comparison evaluates them.
    """

    def __init__(self, microbatch: int, far: Tensor | None = None) -> None:
        self.microbatch, self._far = microbatch, far

    def wanted(self, plan: Plan) -> bool:
        """Whether a plan differs from a plain evaluation in anything that could change values."""
        return not plan.plain or plan.microbatch != self.microbatch

    def check(self, engine: Engine, problem: Problem, space: Space) -> None:
        """Refuses an engine that does not give the values of a plain evaluation, beyond rounding.

        Args:
            engine: Evaluates by a plan.
            problem: What is evaluated.
            space: The space of the points.

        Raises:
            ValueError: When its values differ.
        """
        point = torch.ones(1, space.axes, dtype=torch.float64, device="cpu")
        points = [point]
        if engine.plan.batching == "layers" and engine.plan.chunk > 1:
            # Points that go through the model together may disturb each other: two points, in both orders, show this.
            points.append(-0.5 * point)
        found = [*engine.sums(torch.cat(points))]
        if len(points) > 1:
            found += engine.sums(torch.cat(points[::-1])).flip(0)
        if self._far is None:
            self._far = problem.total(space.at(point, problem.place), self.microbatch)
        wanted = [self._far, *(problem.total(space.at(other, problem.place), self.microbatch) for other in points[1:])]
        for k, sums in enumerate(found):
            _check(sums, wanted[k % len(points)], problem)


def _check(found: Tensor, wanted: Tensor, problem: Problem) -> None:
    """Refuses the sums of a point that differ from a plain evaluation."""
    if differs(found, wanted, problem.counts, problem.narrowest):
        here, plain = (float(sums[0]) / problem.loss_samples for sums in (found, wanted))
        raise ValueError(
            f"by this plan the loss at a point is {here:.6g}, and by a plain loop {plain:.6g}; leave out plan, or "
            "write plan=Plan('loop')"
        )
