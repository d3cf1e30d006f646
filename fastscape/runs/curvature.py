"""Adds derivatives of the loss, or eigenvalues of its Hessian, to the measures at a point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature import Extremes, NotFinite
from fastscape.engine import Plan, differentiated
from fastscape.model import Eigenvalues, Problem
from fastscape.results import EIGENVALUES, warn
from fastscape.runs.request import Request
from fastscape.weights import Grid, Layout, Space, schemes_of

__all__ = ["differentiated_by", "doubts", "not_reached", "with_curvature"]


def with_curvature(
    request: Request,
    problem: Problem,
    space: Space,
    grid: Grid,
    plan: Plan,
    widened: Callable[[Problem], Problem],
) -> tuple[Problem, list[str]]:
    """The problem with the requested derivatives or eigenvalues.

    Args:
        request: The request.
        problem: What is evaluated.
        space: The space of the points.
        grid: The grid of points.
        plan: The first plan.
        widened: Makes the problem in float64.

    Returns:
        The problem, and the warnings.

    Raises:
        ValueError: When the precision is too low, a metric has the name of a derivative or an eigenvalue, or the loss
            cannot be differentiated twice.
    """
    wanted = request.options["curvature"]
    if wanted is None:
        return problem, []
    if problem.narrowest.itemsize < 4:
        raise ValueError(
            f"curvature={wanted!r} needs weights in float32 or float64, got "
            f"{str(problem.narrowest).removeprefix('torch.')}, whose second derivatives would be mostly rounding; "
            "write precision='float32'"
        )
    axes = [torch.from_numpy(axis.copy()) for axis in grid.axes.values()]
    if wanted == "ratio":
        messages = doubts(problem, space, axes, plan.microbatch, widened)
        found = _with_eigenvalues(problem, space, plan, request.options["eigenvalue_tolerance"])
        further: Sequence[str] = EIGENVALUES
    else:
        derivatives, messages = differentiated(problem, space, axes, plan.microbatch, widened)
        found = replace(problem, objective=replace(problem.objective, derivatives=derivatives))
        further = derivatives.names
    taken = sorted(set(problem.objective.names) & set(further))
    if taken:
        raise ValueError(
            f"a metric is named {taken[0]!r}, which curvature={wanted!r} measures; give the metric a different name"
        )
    for message in messages:
        warn(message)
    return found, messages


def doubts(
    problem: Problem, space: Space, axes: Sequence[Tensor], microbatch: int, widened: Callable[[Problem], Problem]
) -> list[str]:
    """The warnings for a loss whose second derivatives from torch differ from finite differences.

    Args:
        problem: What is evaluated.
        space: The space of the points. Its scheme is not differentiated.
        axes: The coordinates of each axis, which bound the points that are checked.
        microbatch: Samples per microbatch.
        widened: Makes the problem in float64.

    Returns:
        The warnings.

    Raises:
        ValueError: When the loss has no gradient with respect to the weights, or torch cannot differentiate it twice.
    """
    plain = replace(space, scheme=schemes_of(len(axes))["plane"])
    return differentiated(problem, plain, axes, microbatch, widened)[1]


@dataclass(frozen=True)
class _Ends:
    """Makes a function that gives the extreme eigenvalues at a point.

    Args:
        tolerance: Tolerance of the residuals.
    """

    tolerance: float

    def __call__(self, problem: Problem, layout: Layout, microbatch: int) -> Callable[[Tensor], Tensor]:
        return Extremes(problem, layout, microbatch, self.tolerance).at


def _with_eigenvalues(problem: Problem, space: Space, plan: Plan, tolerance: float) -> Problem:
    """The problem with the extreme eigenvalues; one product at the model tests that it can be computed."""
    extremes = Extremes(problem, space.layout, plan.microbatch, tolerance)
    with suppress(NotFinite):  # elsewhere it may be finite
        extremes.matrix(space.basis.theta.to(problem.dtype)).times(torch.ones(space.layout.perturbed))
    eigenvalues = Eigenvalues(EIGENVALUES, _Ends(tolerance))
    return replace(problem, objective=replace(problem.objective, eigenvalues=eigenvalues))


def differentiated_by(problem: Problem) -> dict[str, Any]:
    """How the loss is differentiated, as plain values for the report; empty if it is not."""
    found = problem.objective.derivatives
    if found is None:
        return {}
    way = "forward over forward" if found.forward else "reverse over reverse"
    return {"differentiated": {"by": way, "instead": found.reason}}


def not_reached(request: Request, grids: Mapping[str, np.ndarray]) -> list[str]:
    """Warns of points whose eigenvalues did not reach the requested tolerance.

    Args:
        request: The request.
        grids: The measures by name.

    Returns:
        The warnings.
    """
    residuals, tolerance = grids.get(EIGENVALUES[-1]), request.options["eigenvalue_tolerance"]
    if residuals is None or not (above := residuals > tolerance).any():
        return []
    message = (
        f"at {above.sum()} of {above.size} points the eigenvalues have residuals above {tolerance:g}, up to "
        f"{np.nanmax(residuals):.2g} of the norm; see {EIGENVALUES[-1]}, and write a larger eigenvalue_tolerance, or "
        "precision='float64'"
    )
    warn(message)
    return [message]
