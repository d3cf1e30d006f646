"""Takes turns: of several processes one runs while the others are stopped, again and again until all are done.

A machine that others share is now faster, now slower, within minutes. Work that takes minutes is compared fairly only
when every one of them has its share of the fast minutes and of the slow ones.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from typing import NamedTuple

__all__ = ["Job", "take_turns"]

TURNS = 8
SHORTEST = 5.0  # seconds of a turn; below that, caches that are cold after each turn would count


class Job(NamedTuple):
    """What one process is to do.

    Args:
        start: Begins it.
        process: The number of the process, which leads a group that its helpers, a compiler say, belong to.
        expected: Seconds that it is expected to take alone.
    """

    start: Callable[[], Future[object]]
    process: int
    expected: float


def take_turns(jobs: Mapping[str, Job], between: Callable[[], None]) -> dict[str, float]:
    """Lets the jobs take turns, which are as long as lets all end at about the same time.

    The first turn is twice as long as the others, for what is done once in the beginning: to stop a planner while it
    measures would mislead it.

    Args:
        jobs: By name.
        between: Called after each turn of all of them, while they are stopped.

    Returns:
        For each job the seconds in which it was stopped, between its beginning and its end.
    """
    running: dict[str, Future[object]] = {}
    stopped = dict.fromkeys(jobs, 0.0)
    since: dict[str, float] = {}
    try:
        while any(name not in running or not running[name].done() for name in jobs):
            for name, job in jobs.items():
                turn = max(job.expected / TURNS, SHORTEST)
                if name not in running:
                    running[name] = job.start()
                    turn *= 2
                elif running[name].done():
                    continue
                else:
                    stopped[name] += time.perf_counter() - since[name]
                    os.killpg(job.process, signal.SIGCONT)
                wait([running[name]], turn)
                if not running[name].done():
                    os.killpg(job.process, signal.SIGSTOP)
                    since[name] = time.perf_counter()
            between()
    except BaseException:
        for name, future in running.items():
            if not future.done():
                os.killpg(jobs[name].process, signal.SIGKILL)  # to a stopped process no other signal comes through
        raise
    return stopped
