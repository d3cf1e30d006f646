"""Follows a schedule with the plan of a store, or with a plan found during the run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor

from fastscape.engine import Evaluator
from fastscape.model import Problem
from fastscape.runs.evaluation import Evaluated, evaluate
from fastscape.runs.preparation import Work
from fastscape.runs.request import Request
from fastscape.runs.schedules import Schedule, Streaming

__all__ = ["followed", "taken_up"]


def taken_up(request: Request, work: Work, schedule: Schedule) -> Work:
    """The work with the plan of the store, unless a plan is given.

    Args:
        request: The request.
        work: The prepared work.
        schedule: The schedule, which has the store.

    Returns:
        The work.
    """
    known = schedule.followed.plan
    return replace(work, plan=known) if request.auto and known else work


def followed(
    request: Request,
    work: Work,
    schedule: Schedule,
    parts: Iterator[Problem],
    *,
    search: bool = True,
    points: Tensor | None = None,
) -> Evaluated:
    """Evaluates the points of a schedule.

    Args:
        request: The request.
        work: The prepared work, with the first plan.
        schedule: The schedule.
        parts: The problem with one part of the samples after the other.
        search: Whether to search for a better plan, if no plan is given and no store has a plan. Default True.
        points: Coordinates [n, axes] of the points of the schedule. Default: the grid.

    Returns:
        The values, and how they were computed.
    """
    if isinstance(schedule, Streaming):
        schedule.of = request.parts
    comparison = work.comparison if work.report["deterministic"] else None
    evaluator = Evaluator(work.space, work.plan, auto=request.free_batching, recut=work.recut, comparison=comparison)
    return evaluate(
        parts,
        work.grid.points if points is None else points,
        evaluator,
        schedule,
        search=search and _may_search(request, schedule),
        title=request.title,
        progress=request.options["progress"] is True and schedule.backing.leads,
    )


def _may_search(request: Request, schedule: Schedule) -> bool:
    """Whether to search for a plan on the first points."""
    if request.place.sharing is not None and schedule.ranks is not None:
        return False  # the first process would evaluate alone, and it holds only a part of the model
    # With derivatives, the measures take the smaller part of the time of a point, and a plan affects only the
    # measures.
    return request.auto and schedule.followed.plan is None and request.options["curvature"] is None
