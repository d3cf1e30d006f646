"""Every rival in a process of its own, for a whole run: what one does to the allocator, to the caches of compiled code
and to thread pools, no other feels."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from torch.profiler import ProfilerActivity, profile

import fastscape
from benchmarks.limits import bare_convolutions, bare_forward, median_seconds
from benchmarks.problems import PROBLEMS
from benchmarks.rivals import RIVALS, Directions, Problem, directions, ours
from benchmarks.turns import Job, take_turns

__all__ = ["NAMES", "Apart", "Run", "processes"]

OWN = {"fastscape": "float32", "fastscape bfloat16": "bfloat16"}
NAMES = (*OWN, *RIVALS)
BARE = "limits"
LISTED = 6  # operations


class Run(NamedTuple):
    """One walk over a grid: its seconds, its losses, and the report that fastscape gives."""

    seconds: float
    loss: np.ndarray
    report: dict[str, Any]


class Apart:
    """The processes of all rivals."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pools = {name: ProcessPoolExecutor(1, context, _begin) for name in (*NAMES, BARE)}

    def run(self, rival: str, problem: str, steps: int, *, tiny: bool) -> Run:
        """Lets one rival walk a grid of one problem, while the others wait."""
        return self._pools[rival].submit(_run, rival, problem, steps, tiny).result()

    def alternate(
        self,
        problem: str,
        steps: Mapping[str, int],
        expected: Mapping[str, float],
        *,
        tiny: bool,
        between: Callable[[], None],
    ) -> dict[str, Run]:
        """Lets rivals walk grids of one problem in turns.

        Args:
            problem: Its name.
            steps: Points along each axis, by rival.
            expected: Seconds of the whole walk, about, by rival.
            tiny: Whether to take the problem's tiny size.
            between: Called after each turn of all of them.

        Returns:
            What each rival found, without the seconds in which it was stopped.
        """
        futures: dict[str, Future[Run]] = {}

        def start(rival: str) -> Future[Run]:
            futures[rival] = self._pools[rival].submit(_run, rival, problem, steps[rival], tiny)
            return futures[rival]

        jobs = {
            rival: Job(partial(start, rival), self._pools[rival].submit(os.getpid).result(), expected[rival])
            for rival in steps
        }
        stopped = take_turns(jobs, between)
        found = {rival: future.result() for rival, future in futures.items()}
        return {rival: run._replace(seconds=run.seconds - stopped[rival]) for rival, run in found.items()}

    def limits(self, problem: str, precision: str, times: int) -> dict[str, float | None]:
        """Median seconds of a compiled forward pass over all samples, and of its convolutions alone.

        The compilation is not counted.
        """
        return self._pools[BARE].submit(_limits, problem, precision, times).result()

    def operations(self, problem: str, plan: dict[str, Any], *, tiny: bool) -> dict[str, float]:
        """The operations of torch that take the most of fastscape's time under a plan, as fractions of all of them."""
        return self._pools["fastscape"].submit(_operations, problem, plan, tiny).result()

    def close(self) -> None:
        """Ends the processes."""
        for pool in self._pools.values():
            pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leads a group of processes, so that it is stopped together with the compilers that it calls, and ends with the
    benchmark: one that went on alone would take the cores from whatever is measured next."""
    os.setpgrp()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)


@contextmanager
def processes() -> Iterator[Apart]:
    """The processes, ended on leaving."""
    apart = Apart()
    try:
        yield apart
    finally:
        apart.close()


@cache
def _problem(name: str, tiny: bool) -> tuple[Problem, Directions]:
    problem = PROBLEMS[name](tiny)
    return problem, directions(problem)


def _run(rival: str, name: str, steps: int, tiny: bool) -> Run:
    problem, pair = _problem(name, tiny)
    started = time.perf_counter()
    if rival in OWN:
        landscape = ours(problem, pair, steps, OWN[rival])
        seconds = time.perf_counter() - started
        return Run(seconds, landscape.loss, dict(landscape.report))
    loss = RIVALS[rival](problem, pair, steps)
    return Run(time.perf_counter() - started, np.asarray(loss), {})


def _operations(name: str, plan: dict[str, Any], tiny: bool) -> dict[str, float]:
    problem, pair = _problem(name, tiny)
    grid = {"x": (-1.0, 1.0, 3), "y": (-1.0, 1.0, plan["chunk"]), "progress": False, "plan": fastscape.Plan(**plan)}
    data = problem.inputs, problem.targets
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        fastscape.surface(problem.model, data, loss=problem.loss, directions=pair, **grid)
    times = {event.key: event.self_cpu_time_total for event in watched.key_averages()}
    most = sorted(times, key=lambda key: -times[key])[:LISTED]
    return {key.removeprefix("aten::"): times[key] / sum(times.values()) for key in most}


@cache
def _bare(name: str, precision: str) -> dict[str, Callable[[], None] | None]:
    problem = _problem(name, False)[0]
    return {
        "forward": bare_forward(problem, precision),
        "convolutions": bare_convolutions(problem, precision),
    }


def _limits(name: str, precision: str, times: int) -> dict[str, float | None]:
    return {what: median_seconds(run, times) if run else None for what, run in _bare(name, precision).items()}
