"""Picks the fastest plan by measuring on the first grid points, whose values are kept.

A run begins with the plan of fixed rules. The search then tries the options in turn, each alternative on the next
points of the grid, and keeps the faster plan. All values count, so a try costs only the time by which it is slower
than the best plan. A try is skipped if this cost, and the expected cost of the try, would exceed a twentieth of the
expected rest of the run. A compilation is not part of this cost. It is tried if the rest of the run takes several
times as long as a compilation, unless nearly all of the time goes to products and convolutions, which compiled code
leaves to the same libraries.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import gpu
from fastscape.engine.engine import Engine
from fastscape.engine.failures import gpu_is_lost
from fastscape.engine.gpu_rules import alternatives_on_gpu
from fastscape.engine.layers import worthwhile
from fastscape.engine.plan import MICROBATCH, MemoryFormat, Plan
from fastscape.engine.plan_rules import plan_looped
from fastscape.kernels import choose_method
from fastscape.model import Problem

__all__ = ["Planned", "plan_measured"]

TRY_SECONDS = 0.25  # length of a try of a loop, which needs no full chunk
OVERHEAD = 0.05  # of the expected rest of the run
GAIN = 0.97  # of the best time so far: a smaller gain counts as noise
SHORT_CALL = 0.005  # seconds of a microbatch
LOOPED_CALL = 1e-4  # seconds that a call of the smallest model takes in a loop
COMPILE_SECONDS = 8.0, 0.2  # seconds that a compilation may take: at least, and per layer
WORTH_COMPILING = 4  # the least time of the rest of the run, as a multiple of the time of a compilation

MOSTLY_PRODUCTS = 0.8  # of the time: above this share, a compilation gains little

# Samples that a try may run at once, as a multiple of the microbatch of fixed rules: more may not fit into memory.
LARGEST_MICROBATCH = 4 * MICROBATCH


@dataclass
class Planned:
    """What a search found.

    Args:
        plan: The fastest plan.
        engine: Its engine.
        done: Number of evaluated points, which are the first points of the grid.
        sums: Their sums [done, measures].
        timings: For each tried plan its options, the seconds per point, and the seconds of preparation.
    """

    plan: Plan
    engine: Engine
    done: int
    sums: list[Tensor]
    timings: list[dict[str, Any]] = field(default_factory=list)


class _Search:
    """Measures plans on a grid and remembers the best."""

    def __init__(self, prepare: Callable[[Plan], Engine], points: Tensor, advance: Callable[[int], None]) -> None:
        self.prepare, self.points, self.advance = prepare, points, advance
        self.best: Plan
        self.sums: list[Tensor] = []
        self.done = 0
        self.wasted = 0.0
        self.timings: list[dict[str, Any]] = []
        self.seconds = math.inf  # per point, by the best plan
        self.latest = math.inf  # per point, in the latest evaluation

    def size(self, plan: Plan) -> int:
        """Points that a try evaluates in each of its two rounds: a chunk, or in a loop enough points for a timing."""
        if plan.overlap:  # with a single chunk nothing is made ahead
            return 2 * plan.chunk
        if plan.batching == "vmap":
            return plan.chunk
        # The first plan may be slow: its first try is a single point.
        known = self.latest if self.seconds == math.inf else self.seconds
        return 1 if known == math.inf else min(plan.chunk, math.ceil(TRY_SECONDS / known))

    def measure(self, plan: Plan) -> tuple[Engine, float]:
        """Evaluates some points by a plan twice: the first time warms it up, the second is timed."""
        started = time.perf_counter()
        engine = self.prepare(plan)
        try:
            first = self._evaluate(engine, plan)
            prepared = time.perf_counter() - started
            second = self._evaluate(engine, plan)
        except BaseException:
            engine.close()
            raise
        seconds = min(first, second) if not plan.compile else second
        self.timings.append({**plan.as_dict(), "seconds_a_point": seconds, "seconds_before": prepared})
        return engine, seconds

    def _evaluate(self, engine: Engine, plan: Plan) -> float:
        """Evaluates the next points, and returns the seconds per point."""
        chunk = self.points[self.done : self.done + self.size(plan)]
        clock = gpu.Clock(engine.problem.device)
        sums = torch.cat([engine.sums(part) for part in chunk.split(plan.chunk)])
        seconds = clock.seconds()
        if engine.fallback is not None:
            raise RuntimeError(engine.fallback)
        self.sums.append(sums)
        self.done += len(chunk)
        self.advance(len(chunk))
        self.latest = seconds / len(chunk)
        return self.latest

    @property
    def left(self) -> int:
        """Points that are not evaluated yet."""
        return len(self.points) - self.done


def plan_measured(
    start: Plan,
    prepare: Callable[[Plan], Engine],
    points: Tensor,
    *,
    problem: Problem,
    options: Sequence[str],
    advance: Callable[[int], None],
) -> Planned:
    """Picks the fastest plan for a grid.

    Args:
        start: The first plan; an error under this plan is raised.
        prepare: Makes the engine of a plan. Engines share one basis, so only the last one made can be used.
        points: Grid coordinates [G, D].
        problem: What is evaluated.
        options: The options of a plan that may be changed.
        advance: Called with the number of points after each chunk.

    Returns:
        The plan, and the values of the points that the search has evaluated.
    """
    search = _Search(prepare, points, advance)
    search.best = start
    engine, search.seconds = search.measure(start)
    for option, plan in _alternatives(search, problem, recut="microbatch" in options):
        expected = search.seconds * search.left
        trying = 2 * search.size(plan)
        compiling = option == "compile"
        if option not in options or search.left <= 2 * trying:
            continue
        if compiling:
            if expected < WORTH_COMPILING * _compile_seconds(problem):
                continue
            if problem.device.type == "cpu" and engine.products() > MOSTLY_PRODUCTS:
                continue
        # A try is expected to take at most twice the time of the best plan.
        elif search.wasted + search.seconds * trying > OVERHEAD * expected:
            continue
        started, done = time.perf_counter(), search.done
        try:
            tried, faster = search.measure(plan)
        except Exception as error:  # a model may refuse any option, by any exception
            if gpu_is_lost(error):
                raise
            search.timings.append({**plan.as_dict(), "error": f"{type(error).__name__}: {error}"[:200]})
            tried, faster = None, float("inf")
        if not compiling:
            search.wasted += max(time.perf_counter() - started - search.seconds * (search.done - done), 0.0)
        if tried is not None and faster < GAIN * search.seconds:
            engine.close()
            engine, search.best, search.seconds = tried, plan, faster
            continue
        if tried is not None:
            tried.close()
        if plan.channels_last != search.best.channels_last:  # the basis has the other memory format now
            engine.close()
            engine = prepare(search.best)
    return Planned(search.best, engine, search.done, search.sums, search.timings)


def _compile_seconds(problem: Problem) -> float:
    """The seconds that a compilation may take, by the number of layers."""
    return COMPILE_SECONDS[0] + COMPILE_SECONDS[1] * problem.layers.leaves


def _compiled(search: _Search, problem: Problem, *, recut: bool) -> Plan:
    """The best plan with a compiled step, and with microbatches of one size if a near size divides the samples."""
    plan = search.best
    call = search.seconds * plan.microbatch / problem.size
    # A compiled call has more overhead than a call of torch, and computes faster: short calls get larger microbatches.
    larger = plan.microbatch * (4 if call < SHORT_CALL else 2 if call < 2 * SHORT_CALL else 1)
    near = range(max(min(larger, LARGEST_MICROBATCH), plan.microbatch), plan.microbatch // 2, -1)
    even = (size for size in near if problem.size % size == 0)
    microbatch = next(even, plan.microbatch) if recut else plan.microbatch
    hoist = False
    if problem.device.type == "cpu":
        (batch, *_) = problem.batches(microbatch, channels_last=plan.channels_last)
        hoist = worthwhile(problem, batch, channels_last=plan.channels_last)
    return replace(plan, compile=True, microbatch=microbatch, hoist=hoist)


def _alternatives(search: _Search, problem: Problem, *, recut: bool) -> Iterator[tuple[str, Plan]]:
    """The plans that differ in one option from the best so far."""
    if gpu.on_gpu(problem.device):
        yield from alternatives_on_gpu(lambda: search.best, problem, lambda: _compiled(search, problem, recut=recut))
        return
    if search.best.batching == "vmap" and search.seconds * search.best.microbatch / problem.size > LOOPED_CALL:
        yield "batching", plan_looped(search.best)
    if search.best.batching == "vmap":
        few = min(search.best.microbatch, problem.size)  # rows of a layer at a point, at least
        if choose_method(few, problem.dtype, problem.device) == "shared":
            yield "products", replace(search.best, products="auto")
        yield "hoist", replace(search.best, hoist=not search.best.hoist)
        if search.best.chunk >= 4:
            yield "chunk", replace(search.best, chunk=search.best.chunk // 4)
    if problem.convolutions:  # first, as either format may be twice as fast
        order: MemoryFormat = "contiguous" if search.best.channels_last else "channels_last"
        yield "memory_format", replace(search.best, memory_format=order)
    tried = {start := search.best.microbatch}
    for microbatch in (2 * start, start // 2, problem.size):
        if 0 < microbatch <= min(problem.size, max(LARGEST_MICROBATCH, 2 * start)) and microbatch not in tried:
            tried.add(microbatch)
            yield "microbatch", replace(search.best, microbatch=microbatch)
    if search.best.batching == "loop":
        yield "compile", _compiled(search, problem, recut=recut)
    threads = torch.get_num_threads()
    if threads > 1 and not search.best.compile:
        yield "workers", replace(search.best, workers=threads, chunk=max(search.best.chunk, threads))
