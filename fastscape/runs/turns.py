"""Calls take turns: in a process, one thread at a time computes a landscape.

Models and losses draw from global generators, which a run seeds before every evaluation. Precision switches, warning
filters and the number of threads belong to the whole process, and a lent model to its caller. A turn is a whole run,
not an evaluation, for three reasons. Between two evaluations the user's code runs too (data, progress functions). The
planner compares times, which another run would disturb. One run uses all cores or the whole GPU anyway.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from fastscape.results import warn

__all__ = ["in_turn"]

T = TypeVar("T")

LOOK = 0.5  # seconds after which a waiting thread checks for an exception thrown into it
SILENCE = 60.0  # seconds of waiting without a warning

_turn = threading.RLock()
# Whether the caller is a run. It is a context variable, which the threads of a run inherit.
_runs: ContextVar[bool] = ContextVar("runs", default=False)


def in_turn(run: Callable[[], T]) -> T:
    """Runs a function when no other thread of this process is in a run. Inside a run, it runs at once.

    Args:
        run: The function.

    Returns:
        Its result.

    Warns:
        UserWarning: When the thread has waited for a minute.
    """
    if _runs.get():  # a loss of the run computes a landscape
        return run()
    try:
        try:
            _wait()
            _runs.set(True)
            return run()
        finally:
            _release()
    finally:  # again, because an exception may arrive at any instruction, and waiting threads would wait for ever
        _release()


def _wait() -> None:
    begun, warned = time.monotonic(), False
    while not _turn.acquire(timeout=LOOK):
        if time.monotonic() - begun > SILENCE and not warned:
            warned = True
            warn(
                "this call has waited a minute for another thread that computes a landscape; calls of one process "
                "take turns: use processes to compute several at once, and let no loss, objective or data of a run "
                "wait for a thread that calls fastscape"
            )


def _release() -> None:
    _runs.set(False)
    try:
        _turn.release()
    except RuntimeError:  # another thread holds it, or none
        return


def _after_fork() -> None:
    """A child process has one thread, which keeps the turn if it had it."""
    global _turn
    _turn = threading.RLock()
    if _runs.get():
        _turn.acquire()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
