"""Runs the steps of a call in order, from a request to values. It contains no arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from fastscape.model import DataHash, reading_of
from fastscape.results import Values, mean_over_repeats
from fastscape.runs.along_paths import along_paths
from fastscape.runs.assembly import precision_error, show_round, values_of
from fastscape.runs.backing import Backing, backing_for
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.following import followed, taken_up
from fastscape.runs.gathering import gathered
from fastscape.runs.guarded import guarded
from fastscape.runs.levels import draw_for, level_of
from fastscape.runs.preparation import Work, prepared, problem_parts
from fastscape.runs.progress import said_before
from fastscape.runs.reporting import changed_late
from fastscape.runs.request import Request
from fastscape.runs.same_problem import recheck_of
from fastscape.runs.schedules import Rounds
from fastscape.runs.scheduling import agreed_size, schedule_of
from fastscape.runs.sharing import shared_out
from fastscape.weights import space_of

__all__ = ["Finish", "computed"]

Finish: TypeAlias = Callable[[Work, Evaluated, Values], Values]


def computed(request: Request, finish: Finish | None = None) -> Values:
    """Evaluates a model over a grid, in turn with other threads, and restores global state.

    Args:
        request: The request.
        finish: Completes the values while the model can still be evaluated. Default: the values stay unchanged.

    Returns:
        The values, with their report.

    Raises:
        TypeError: When a callee refuses its argument.
        ValueError: When a callee refuses its argument.
    """
    return guarded(request, partial(_backed, request, finish))


def _backed(request: Request, finish: Finish | None) -> Values:
    """A call with its store and its processes."""
    started = time.perf_counter()
    with backing_for(request.options) as backing:
        request = shared_out(request, backing)
        values = _computed(request, backing, finish)
        values = values.with_report({**values.report, "seconds": time.perf_counter() - started})
        if backing.store is not None and backing.leads:
            backing.store.finish(values)
    return mean_over_repeats(values)


def _computed(request: Request, backing: Backing, finish: Finish | None) -> Values:
    """The steps of a call: request, space, problem, plan, schedule, values."""
    digest = DataHash(request.objective.columns.sets)
    with said_before(request.title, request.options["progress"] is True and backing.leads) as say:
        say("making the directions")
        space = space_of(request.model, request.space, request.place)
        say("reading data")
        reading = reading_of(request.data, request.reading, request.place)
        work = prepared(request, space, reading, digest, backing, say)
    if request.refines and request.enough is not None:
        work, reading = gathered(request, work, reading, digest, backing)
    draw = draw_for(request, work)
    size = agreed_size(request, work, backing, few=draw is not None)
    below = None if draw is None else level_of(request, work, draw, backing)
    work = work if below is None else below.next(work)
    schedule = schedule_of(request, work, size, digest, backing, None if below is None else below.trend)
    if isinstance(schedule, Rounds) and request.shown is not None:
        schedule.shown = partial(show_round, request.shown, work, schedule.refinement)
    work = taken_up(request, work, schedule)
    recheck = recheck_of(request, work, schedule)
    along = along_paths(request, work, backing)
    parts = along.over(recheck.over(problem_parts(work, reading, digest, backing.store)))
    done = followed(request, work, schedule, parts, search=below is None)
    data_hash = request.expected.found("data_hash", digest.hexdigest())
    recheck.at_the_end(done)  # different data raise their own error
    found: dict[str, Any] = {"samples": done.samples, "data_hash": data_hash, "data_sets": digest.sets}
    found["points_before"] = schedule.before
    found["processes"] = backing.ranks.size if backing.ranks else 1
    found["precision_error"] = precision_error(request, work, done)
    found["warnings"] = work.report["warnings"] + recheck.messages + changed_late(work.problem)
    if along.stops:
        found["paths"] = [path.as_plain() for path in along.paths]
    if below is not None and isinstance(schedule, Rounds):
        found |= {"levels": below.reported(schedule, done.samples), "warnings": below.warnings + found["warnings"]}
        done = below.told(done)
    values = values_of(request, replace(work, report=work.report | found), done, schedule, reading.available)
    return values if finish is None else finish(work, done, values)
