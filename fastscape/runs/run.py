"""One run, from a request to values: where, what is evaluated, how, and what came of it. No arithmetic is here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastscape.engine import Evaluator, error_of, values_at_some
from fastscape.model import DataHash, global_state_kept, problem_of, reading_of
from fastscape.results import Values
from fastscape.runs.backing import Backing, backing_for
from fastscape.runs.evaluation import Evaluated, evaluate
from fastscape.runs.preparation import Work, parts_of, prepared
from fastscape.runs.reporting import evaluated, refined, warned
from fastscape.runs.request import Request
from fastscape.runs.schedules import Rounds, Schedule
from fastscape.runs.scheduling import schedule_of
from fastscape.sampling import Refinement, standard_error
from fastscape.weights import space_of

__all__ = ["computed"]


def computed(request: Request) -> Values:
    """Evaluates a model over a grid.

    Args:
        request: What is asked for.

    Returns:
        The values, with their report.

    Raises:
        TypeError: When a callee refuses its argument.
        ValueError: When a callee refuses its argument.
    """
    started = time.perf_counter()
    with backing_for(request.options) as backing:
        with global_state_kept(request.place.device):
            values = _computed(request, backing)
        values = values.with_report({**values.report, "seconds": time.perf_counter() - started})
        if backing.store is not None and backing.leads:
            backing.store.finish(values)
    return values


def _computed(request: Request, backing: Backing) -> Values:
    """The walk of a call: request, space, problem, plan, schedule, values."""
    space = space_of(request.model, request.space, request.place)
    reading, digest = reading_of(request.data, request.reading, request.place), DataHash()
    work = prepared(request, space, reading, digest, backing)
    schedule = schedule_of(request, work, digest, backing)
    if isinstance(schedule, Rounds) and request.shown is not None:
        schedule.shown = partial(_show, request.shown, work, schedule.refinement)
    followed = schedule.followed.plan
    plan = followed if request.auto and followed else work.plan
    evaluator = Evaluator(space, plan, auto=request.auto, recut=work.recut)
    done = evaluate(
        parts_of(work, reading, digest, backing.store),
        work.grid.points,
        evaluator,
        schedule,
        search=request.auto and followed is None,
        progress=request.options["progress"] is True and backing.leads,
    )
    data_hash = request.expected.found("data_hash", digest.hexdigest())
    found = {"samples": done.samples, "data_hash": data_hash, "points_before": schedule.before}
    found["processes"] = backing.ranks.size if backing.ranks else 1
    found["precision_error"] = _precision_error(request, work, done)
    return _values(request, replace(work, report=work.report | found), done, schedule, reading.available)


def _precision_error(request: Request, work: Work, done: Evaluated) -> dict[str, Any] | None:
    """What a reduced precision costs, at a few points; None for a precision that is not reduced."""
    if not request.place.precision.reduced:
        return None
    problem, where = work.problem, (done.space, work.grid.points, done.plan)
    whole = not (request.streams or request.refines)
    values = done.values if whole else values_at_some(problem, *where)
    moving, objective = done.space.moving, problem.objective
    wide = problem_of(request.model, moving, objective, problem.samples, request.place.wide, request.mode)
    return error_of(values, wide, *where)


def _values(request: Request, work: Work, done: Evaluated, schedule: Schedule, available: int | None) -> Values:
    """The measures as grids, and the report of how they came about."""
    grids = _grids(work, done.values.numpy())
    error, mask, report = None, None, dict(work.report)
    if work.problem.objective.squares:
        squares = done.values[:, -1].numpy().reshape(work.grid.shape)
        error = standard_error(grids["loss"], squares, done.samples)
    if isinstance(schedule, Rounds):
        grids, error, mask = _filled(grids, error, schedule.refinement)
        report["refinement"] = refined(schedule.refinement, list(grids))
    report |= evaluated(request, done, grids, error, available)
    dtype, microbatch = work.problem.dtype, work.plan.microbatch
    report["warnings"] = work.report["warnings"] + warned(grids["loss"], work.dependence, dtype, microbatch)
    return Values(work.grid.axes, grids, report, error, mask)


def _grids(work: Work, means: np.ndarray) -> dict[str, np.ndarray]:
    """The measures [H, W, ...] by name, from means [G, measures or more]."""
    names = work.problem.objective.names
    return {name: column.reshape(work.grid.shape) for name, column in zip(names, means.T, strict=False)}


def _filled(
    grids: Mapping[str, np.ndarray], error: np.ndarray | None, refinement: Refinement, *, quickly: bool = False
) -> tuple[dict[str, np.ndarray], np.ndarray | None, np.ndarray]:
    """Measures and standard errors where some were predicted, and which points were evaluated."""
    arrays = [*grids.values(), *([] if error is None else [error])]
    shape = arrays[0].shape
    values = np.stack([array.ravel() for array in arrays], axis=1)
    whole = refinement.filled(values, quickly=quickly).T.reshape(len(arrays), *shape)
    errors = None if error is None else whole[-1]
    return dict(zip(grids, whole, strict=False)), errors, refinement.known.reshape(shape).copy()


def _show(shown: Callable[[Values], Any], work: Work, refinement: Refinement, means: np.ndarray) -> None:
    """Shows what is known of a surface after a round, the other points predicted linearly."""
    grids, _, mask = _filled(_grids(work, means), None, refinement, quickly=True)
    facts = deepcopy(work.report) | {"refinement": refined(refinement, list(grids))}  # what is shown may be written to
    del facts["warnings"]
    shown(Values(work.grid.axes, grids, facts, None, mask))
