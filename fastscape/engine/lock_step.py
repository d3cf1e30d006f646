"""Runs calls in their own threads: one call runs at a time, and each call stops when it arrives at a place.

    call 0   ---| a  ---------| b  ---------| end
    call 1       ---| a  ---------| b  ---------| end        time runs to the right; only one line is drawn at a time

The call that is furthest behind decides which place is next. All calls that wait at this place then continue, one
after the other. So calls that take the same path pass a place together, and calls that take different paths are right
as well. While a call runs, every other call waits, is done, or has not begun; so nothing is computed twice or at the
same time.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from fastscape.model import at_rest, set_switches, switches_here

__all__ = ["Entangled", "LockStep"]

LOOK = 1.0  # seconds between two looks at whether a call computes
SILENCE = 60.0  # seconds without processor time, after which a call is taken to wait for a lock

_here = threading.local()


class Entangled(RuntimeError):
    """Calls cannot run side by side: a call waits for a different call, or has its own threads."""


class _Ended(BaseException):
    """Ends a call whose result is no longer needed; an `except Exception` in a model does not catch it."""


class _Call:
    """One call.

    Args:
        number: Its number.
        work: The function that is called.
    """

    def __init__(self, number: int, work: Callable[[], Any]) -> None:
        self.number, self.work = number, work
        self.place: Hashable = None  # where it waits; None before it has begun
        self.arrived = 0  # how often it has arrived
        self.go = threading.Semaphore(0)
        self.made: Any = None
        self.error: BaseException | None = None
        self.done = self.ended = False
        self.thread: threading.Thread | None = None

    def taken(self) -> BaseException:
        """Its error, which the call drops, as the error keeps all tensors of the failed evaluation."""
        assert self.error is not None
        error, self.error = self.error, None
        return error


class LockStep:
    """Runs calls side by side.

    Args:
        entered: Called in the thread that runs the calls, with the place and the number of the call that continues
            there next; the place is None if the call begins.
        surrounding: The context of the work of a thread, such as the modes of the thread that runs the calls.
    """

    def __init__(
        self, entered: Callable[[Any, int], None], surrounding: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._entered, self._surrounding = entered, surrounding
        self._back = threading.Semaphore(0)

    def run(self, works: Sequence[Callable[[], Any]]) -> list[Any]:
        """Runs calls side by side.

        Args:
            works: The calls. A call reaches a place by `arrive`.

        Returns:
            The results of the calls, in order.

        Raises:
            BaseException: The first error of any call. All other calls end at their places; no thread is left over.
            Entangled: When a call holds what a different call waits for, or waits for something else for a minute.
        """
        calls = [_Call(number, work) for number, work in enumerate(works)]
        switches, live = switches_here(), calls
        try:
            while live:
                place = min(live, key=lambda call: call.arrived).place
                for call in [call for call in live if call.place == place]:
                    at_rest()
                    self._entered(place, call.number)
                    if call.thread is None:
                        set_switches(switches)
                    self._go_on(call)
                    if call.error is not None:
                        raise call.taken()
                live = [call for call in live if not call.done]
        finally:
            try:
                _end(calls)
            finally:  # once more, as an exception may occur between any two instructions
                _end(calls)
                set_switches(switches)
        return [call.made for call in calls]

    def arrive(self, place: Hashable) -> None:
        """Waits at a place until it is this call's turn. Only a call may use it.

        Args:
            place: The place.

        Raises:
            Entangled: When it is called outside the thread of a call.
            _Ended: When the result of the call is no longer needed.
        """
        call: _Call | None = getattr(_here, "call", None)
        if call is None:
            raise Entangled("the model calls its modules, or reads its weights, in threads of its own")
        if call.ended:
            raise _Ended
        if torch._C._functorch.maybe_current_level() is not None or torch.autograd.forward_ad._current_level >= 0:
            # The levels of transforms belong to the process; calls would not leave them in the order of entry.
            raise Entangled("a weight is read inside of a transform of functions, such as vmap, grad or jvp")
        call.place, call.arrived = place, call.arrived + 1
        own = switches_here()
        self._back.release()
        call.go.acquire()
        if call.ended:
            raise _Ended
        set_switches(own)

    def _go_on(self, call: _Call) -> None:
        """Lets a call run until it waits again, or is done."""
        if call.thread is None:
            run = contextvars.copy_context().run
            name = f"fastscape call {call.number}"
            call.thread = threading.Thread(target=run, args=(self._thread, call), name=name, daemon=True)
            call.thread.start()
        else:
            call.go.release()
        since, spent = time.monotonic(), None
        while not self._back.acquire(timeout=LOOK):
            now = _processor_time(call.thread)
            if now is None or now != spent:
                since, spent = time.monotonic(), now
            elif time.monotonic() - since > SILENCE:
                raise Entangled("a pass waits for a lock, or for something else, for a minute")

    def _thread(self, call: _Call) -> None:
        _here.call = call
        try:
            with self._surrounding():
                call.made = call.work()
        except _Ended:
            pass
        except BaseException as error:  # of any kind: it is raised in the thread that runs the calls
            call.error = error
        finally:
            call.done = True
            self._back.release()


def _processor_time(thread: threading.Thread) -> str | None:
    """The processor time of a thread, as the system reports it; None if the system does not."""
    try:
        found = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
    except OSError:
        return None
    return " ".join(found.rpartition(")")[2].split()[11:13])


def _end(calls: Sequence[_Call]) -> None:
    """Ends the unfinished calls: waiting calls at once, a running call at the next place where it arrives."""
    for call in calls:
        call.ended = True
    for call in calls:
        call.go.release()
    for call in calls:
        if call.thread is not None:
            call.thread.join()
