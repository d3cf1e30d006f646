"""One run, from a request to values: where, what is evaluated, how, and what came of it. No arithmetic is here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from fastscape.engine import Comparison, Evaluator
from fastscape.model import DataHash, GlobalState, Lent, reading_of
from fastscape.results import Values
from fastscape.runs.assembly import precision_error, show_round, values_of
from fastscape.runs.backing import Backing, backing_for
from fastscape.runs.evaluation import evaluate
from fastscape.runs.preparation import prepared, problem_parts
from fastscape.runs.reporting import changed_late
from fastscape.runs.request import Request
from fastscape.runs.same_problem import recheck_of
from fastscape.runs.schedules import Rounds
from fastscape.runs.scheduling import schedule_of
from fastscape.runs.signals import Kept, put_back_after
from fastscape.runs.turns import in_turn
from fastscape.weights import space_of

__all__ = ["computed"]


def computed(request: Request) -> Values:
    """Evaluates a model over a grid, in turn with the other threads, and leaves global state as it was.

    Args:
        request: What is asked for.

    Returns:
        The values, with their report.

    Raises:
        TypeError: When a callee refuses its argument.
        ValueError: When a callee refuses its argument.
    """
    takes: list[Callable[[], Kept]] = [partial(GlobalState, request.place.device)]
    takes += [partial(Lent, request.model)] if request.place.lent else []
    return in_turn(partial(put_back_after, takes, partial(_backed, request)))


def _backed(request: Request) -> Values:
    """A call with its store and the other processes."""
    started = time.perf_counter()
    with backing_for(request.options) as backing:
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
        schedule.shown = partial(show_round, request.shown, work, schedule.refinement)
    followed = schedule.followed.plan
    work = replace(work, plan=followed if request.auto and followed else work.plan)
    comparison = Comparison(work.far) if work.report["deterministic"] else None
    evaluator = Evaluator(space, work.plan, auto=request.free_batching, recut=work.recut, comparison=comparison)
    recheck = recheck_of(request, work, schedule)
    done = evaluate(
        recheck.over(problem_parts(work, reading, digest, backing.store)),
        work.grid.points,
        evaluator,
        schedule,
        search=request.auto and followed is None,
        progress=request.options["progress"] is True and backing.leads,
    )
    data_hash = request.expected.found("data_hash", digest.hexdigest())
    recheck.at_the_end(done)  # other data are named as such
    found = {"samples": done.samples, "data_hash": data_hash, "points_before": schedule.before}
    found["processes"] = backing.ranks.size if backing.ranks else 1
    found["precision_error"] = precision_error(request, work, done)
    found["warnings"] = work.report["warnings"] + recheck.messages + changed_late(work.problem)
    return values_of(request, replace(work, report=work.report | found), done, schedule, reading.available)
