"""Evaluates points one by one, in the memory format of the basis."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fastscape.engine.graphs import engine_for
from fastscape.engine.plan import MemoryFormat, Plan
from fastscape.model import Problem
from fastscape.weights import Layout, Space

__all__ = ["means_at", "one_by_one"]


def means_at(problem: Problem, space: Space, points: Tensor, plan: Plan) -> Tensor:
    """The means over the samples at some points.

    Args:
        problem: What is evaluated.
        space: The space of the points.
        points: Grid coordinates [n, D].
        plan: The plan of a run, of which only the microbatch and the kernels are used.

    Returns:
        Means [n, measures], float64, on the CPU.
    """
    return one_by_one(problem, space, plan)(points)


def one_by_one(problem: Problem, space: Space, plan: Plan) -> Callable[[Tensor], Tensor]:
    """A function that evaluates points one by one, as `means_at` does, at every call."""
    engine = engine_for(problem, space, _alone(plan, space.layout))
    return lambda points: torch.cat([engine.sums(point[None]) for point in points]).cpu() / problem.counts


def _alone(plan: Plan, layout: Layout) -> Plan:
    order: MemoryFormat = "channels_last" if layout.channels_last else "contiguous"
    return Plan("loop", chunk=1, microbatch=plan.microbatch, kernels=plan.kernels, memory_format=order)
