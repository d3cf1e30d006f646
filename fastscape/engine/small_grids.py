"""Picks a plan by timing a few samples, for a grid with too few points to try plans on them.

A try evaluates some samples at one point, and costs a hundredth of the run. Under vmap, these would be too few samples
to show how long a full call takes, so the plan of fixed rules stays.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.engine.plan import Plan
from fastscape.model import Problem

__all__ = ["plan_for_few"]

TRY = 0.01  # of the run
PREPARED = 0.05  # of the run: a longer first try, engine included, means that a search gains too little
GAIN = 0.9  # of the best time so far: a smaller gain counts as noise
LEAST = 16  # samples of a try: fewer show nothing
GROWN = 4  # times as many samples in a microbatch
HELD = 16 << 20  # bytes of the samples of a microbatch


def plan_for_few(
    start: Plan,
    prepare: Callable[[Plan, Problem], Engine],
    points: Tensor,
    problem: Problem,
    *,
    formats: bool,
    recut: bool,
) -> tuple[Plan, list[dict[str, Any]]]:
    """The fastest of a few plans.

    Args:
        start: The plan of fixed rules.
        prepare: Makes the engine of a plan, for a problem with some of the samples.
        points: Grid coordinates [G, D].
        problem: What is evaluated.
        formats: Whether a different memory format gives the same values.
        recut: Whether a different microbatch gives the same values.

    Returns:
        The plan; and for each tried plan its options and the seconds per point, or the error.
    """
    timings: list[dict[str, Any]] = []
    gain = GAIN * len(points) / (len(points) + 1)  # a new plan is compared with a plain evaluation at one more point

    def seconds(plan: Plan) -> float:
        """Seconds per point, by as many samples as a try may take."""
        most = int(TRY * problem.size * len(points))
        few = _first(problem, min(plan.microbatch, max(most, 1)))
        if few.size > most or few.size < min(LEAST, problem.size):
            return math.inf
        try:
            engine = prepare(plan, few)
            try:
                found = min(_timed(engine, points[:1]) for _ in range(2)) * problem.size / few.size
            finally:
                engine.close()
        except Exception as error:  # a model may refuse any option, by any exception
            timings.append({**plan.as_dict(), "error": f"{type(error).__name__}: {error}"[:200]})
            return math.inf
        timings.append({**plan.as_dict(), "seconds_a_point": found})
        return found

    def better(plan: Plan) -> tuple[Plan, float]:
        """The plan and its time if it is faster, else the best plan so far and its time."""
        found = seconds(plan)
        return (plan, found) if found < gain * least else (best, least)

    if start.batching == "vmap":
        return start, timings
    begun = time.perf_counter()
    best, least = start, seconds(start)
    if least == math.inf or time.perf_counter() - begun > PREPARED * least * len(points):
        return best, timings
    if problem.convolutions and formats:
        best, least = better(replace(best, memory_format="contiguous" if best.channels_last else "channels_last"))
    before: Plan | None = None
    while recut and best != before and (larger := _grown(best, problem)) is not None:
        before = best
        best, least = better(larger)
    return best, timings


def _grown(plan: Plan, problem: Problem) -> Plan | None:
    """The plan with a larger microbatch; None if one has all samples already, or a larger one holds too much."""
    each = max(sum(t.numel() * t.element_size() for t in _tensors(problem)) // problem.size, 1)
    larger = min(GROWN * plan.microbatch, problem.size)
    return None if larger == plan.microbatch or larger * each > HELD else replace(plan, microbatch=larger)


def _tensors(problem: Problem) -> list[Tensor]:
    return [tensor for batch in problem.samples for tensor in batch.tensors]


def _first(problem: Problem, count: int) -> Problem:
    """The problem with its first samples: a part of the first batch if it may be cut, else the whole batch."""
    batch = problem.samples[0]
    if batch.divisible and not problem.whole and batch.samples > count:
        batch = batch.part(0, count)
    return replace(problem, samples=[batch])


def _timed(engine: Engine, points: Tensor) -> float:
    started = time.perf_counter()
    float(engine.sums(points)[0, 0])  # waits for a device
    return time.perf_counter() - started
