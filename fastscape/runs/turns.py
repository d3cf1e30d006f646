"""Calls take turns: of one process one thread at a time computes a landscape.

Models and losses draw from global generators, which a run seeds before every evaluation. Switches of precision,
filters of warnings and the number of threads belong to the whole process, and a lent model to whoever called. The turn
is that of a whole run, not of an evaluation: between two evaluations the user's code runs too (data, what is shown),
the planner compares times, which another run would disturb, and one run uses all cores or the whole GPU anyway.
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

LOOK = 0.5  # seconds after which a thread that waits sees whether an exception was thrown into it
SILENCE = 60.0  # seconds of waiting without a word

_turn = threading.RLock()
# Whether a run is what calls; in the context, which threads of a run get that wait for each other.
_runs: ContextVar[bool] = ContextVar("runs", default=False)


def in_turn(run: Callable[[], T]) -> T:
    """Runs something when no other thread of this process is at it. In a run it runs at once.

    Args:
        run: What is run.

    Returns:
        What it returns.

    Warns:
        UserWarning: When it has waited for a minute.
    """
    if _runs.get():  # a loss that computes a landscape
        return run()
    try:
        try:
            _wait()
            _runs.set(True)
            return run()
        finally:
            _release()
    finally:  # once more, as an exception may come between any two instructions: who waits would wait for ever
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
    except RuntimeError:  # it is another thread's, or nobody's
        return


def _after_fork() -> None:
    """In a child process there is one thread, which has the turn if it had it."""
    global _turn
    _turn = threading.RLock()
    if _runs.get():
        _turn.acquire()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
