"""The derivatives of the loss along the axes, where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from fastscape.engine import Plan, differentiated
from fastscape.model import Problem
from fastscape.results import warn
from fastscape.runs.request import Request
from fastscape.weights import Grid, Space

__all__ = ["differentiated_by", "with_curvature"]


def with_curvature(
    request: Request,
    problem: Problem,
    space: Space,
    grid: Grid,
    plan: Plan,
    widened: Callable[[Problem], Problem],
) -> tuple[Problem, list[str]]:
    """The problem with the derivatives that are asked for.

    Args:
        request: What is asked for.
        problem: What is evaluated.
        space: Where the points lie.
        grid: The points.
        plan: The plan to begin with.
        widened: Makes the problem in float64.

    Returns:
        The problem, and the warnings that were given.

    Raises:
        ValueError: When the precision is too low, a metric has the name of a derivative, or the loss cannot be
            differentiated twice.
    """
    if request.options["curvature"] is None:
        return problem, []
    if problem.narrowest.itemsize < 4:
        raise ValueError(
            f"curvature='plane' came with weights in {str(problem.narrowest).removeprefix('torch.')}, of which second "
            "derivatives would be all rounding; write precision='float32'"
        )
    axes = [torch.from_numpy(axis.copy()) for axis in grid.axes.values()]
    found, messages = differentiated(problem, space, axes, plan.microbatch, widened)
    taken = sorted(set(problem.objective.names) & set(found.names))
    if taken:
        raise ValueError(
            f"a metric is named {taken[0]!r}, which is the name of a derivative of the loss; give it another name"
        )
    for message in messages:
        warn(message)
    return replace(problem, objective=replace(problem.objective, derivatives=found)), messages


def differentiated_by(problem: Problem) -> dict[str, Any]:
    """How the loss is differentiated, as plain values for the report; nothing where it is not."""
    found = problem.objective.derivatives
    if found is None:
        return {}
    way = "forward over forward" if found.forward else "reverse over reverse"
    return {"differentiated": {"by": way, "instead": found.reason}}
