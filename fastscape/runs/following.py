"""A schedule is followed: by the plan that a store has, or by one that is looked for on the way."""

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
    """The work by the plan that a store has followed, where none is given.

    Args:
        request: What is asked for.
        work: What is to be done.
        schedule: Which has the store.

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
    """Evaluates what a schedule wants.

    Args:
        request: What is asked for.
        work: What is to be done, with the plan to begin with.
        schedule: Which points are evaluated.
        parts: The problem with one part of the samples after the other.
        search: Whether a better plan may be looked for, where none is given and no store has one. Default True.
        points: Coordinates [n, axes] of the points of the schedule. Default: the grid.

    Returns:
        What came of it.
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
    """Whether a plan may be looked for on the first points."""
    if request.place.sharing is not None and schedule.ranks is not None:
        return False  # the first process would evaluate alone, and it has a part of the model
    # The measures are the smaller part of the time of a point with derivatives, and plans are of them.
    return request.auto and schedule.followed.plan is None and request.options["curvature"] is None
