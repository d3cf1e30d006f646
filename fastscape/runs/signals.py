"""Handles signals that end a run: Ctrl-C, and SIGTERM, which job schedulers send.

A signal may arrive between any two Python instructions, also while something is being restored. So a run defers
signals and lets them act when nothing is half done: between two evaluations, or, if blocks are kept, between two
blocks. Everything that is restored at the end of a run is restored before the signal acts.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol, TypeVar

from fastscape.model import when_at_rest

__all__ = ["Kept", "Stops", "in_charge", "put_back_after"]

T = TypeVar("T")

SIGNALS = signal.SIGINT, signal.SIGTERM
GRACE = 5.0  # seconds that other processes have to finish; a killed process never does
INSISTS = 2.0  # seconds after which a signal acts at any place of the run, unless a block must be kept


class Kept(Protocol):
    """State that is saved when the object is made, and restored afterwards."""

    def begin(self) -> None:
        """Makes the changes that a run needs."""

    def put_back(self) -> None:
        """Restores everything. May be called again after an interruption."""


class Stops:
    """A deferred signal, and the handler that it would have called."""

    def __init__(self) -> None:
        self.came: int | None = None
        self.open = False  # whether a signal may act anywhere; else something is being restored
        self.keeps_blocks = False
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self._installed = self._insists = False
        self._lock = threading.Lock()

    def install(self) -> None:
        """Defers the signals that have a Python handler: only these can leave things half done."""
        global _in_charge
        _in_charge = self
        self._installed = True
        self._hold([number for number in SIGNALS if callable(signal.getsignal(number))])

    def keep_blocks(self) -> None:
        """From here on signals wait until a block is kept, also signals that end the process silently."""
        if self._installed:
            # Handlers that were not installed from Python could not be restored; an ignored signal stays ignored.
            self._hold([number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL])
            self.keeps_blocks = True

    def remove(self) -> None:
        """Restores the signal handlers, and lets a signal act that arrived in the meantime."""
        global _in_charge
        if _in_charge is not self and not self._before:
            return
        with self._lock:
            self._installed = False
        try:
            self._put_back(list(self._before))
        finally:
            when_at_rest(None)
            _in_charge = None
        if self.came is not None:
            number, self.came = self.came, None
            signal.raise_signal(number)

    def act(self, say: Callable[[], None] = lambda: None) -> None:
        """Lets a deferred signal call its handler.

        Args:
            say: Called first, if a signal has arrived.
        """
        if self.came is None:
            return
        say()
        number, self.came = self.came, None
        when_at_rest(None)
        self._passed_on(number, sys._getframe())

    def act_if_late(self, say: Callable[[], None]) -> None:
        """Lets a signal act that arrived some seconds ago, for a process that waits for other processes.

        Args:
            say: Called first, if a signal has arrived.
        """
        if self.came is not None and time.monotonic() - self._since > GRACE:
            self.act(say)

    def forked(self) -> None:
        """Restores the signal handlers in a child process."""
        self._installed, self._lock = False, threading.Lock()

    def _hold(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._noted)

    def _put_back(self, numbers: Sequence[int]) -> None:
        if numbers:
            try:
                if signal.getsignal(numbers[0]) == self._noted:  # else the handler was exchanged in the meantime
                    signal.signal(numbers[0], self._before[numbers[0]])
            finally:  # the restored handler may raise at once
                self._put_back(numbers[1:])

    def _noted(self, number: int, frame: FrameType | None) -> None:
        """The handler of deferred signals. A second signal acts at once, and the first after a delay."""
        if self._insists:
            self._insists = False
            if self.came is None or not self.open:
                return  # the signal has acted in the meantime, or will
        elif not self._installed and number in self._before:  # in a child process, or called by other code
            self._passed_on(number, frame)
            return
        elif self.came is None or not self.open:
            self.came, self._since = number, time.monotonic()
            if self._installed:
                when_at_rest(self._act_at_rest)
            if self.open and not self.keeps_blocks:
                _thread.start_new_thread(self._insist, (signal.Signals(number),))
            return
        self.came = None
        self._passed_on(number, frame)

    def _act_at_rest(self) -> None:
        if self.open and not self.keeps_blocks and _in_main_thread():
            self.act()

    def _insist(self, number: signal.Signals) -> None:
        """Lets a signal act during an evaluation, which may be long, or hang."""
        while self.came is not None and time.monotonic() - self._since < INSISTS:
            time.sleep(0.05)
        with self._lock:
            if self._installed and self.open and self.came is not None:
                self._insists = True
                _thread.interrupt_main(number)

    def _passed_on(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)  # KeyboardInterrupt, or the effect of the user's handler
            return
        signal.signal(number, before)
        try:
            signal.raise_signal(number)  # the end of the process
        finally:
            signal.signal(number, self._noted)


_in_charge: Stops | None = None  # of the run in the main thread, which alone receives signals


def in_charge() -> Stops:
    """The object that defers signals for the run of this thread; without a run, an object that gets no signals."""
    return Stops() if _in_charge is None or not _in_main_thread() else _in_charge


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _after_fork() -> None:
    global _in_charge
    if _in_charge is not None:
        _in_charge.forked()
        _in_charge = None
        when_at_rest(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def put_back_after(takes: Sequence[Callable[[], Kept]], body: Callable[[], T]) -> T:
    """Runs a function, and restores what it changes, even after an error or a signal.

    In the main thread no signal interrupts the restoring. A signal during the run acts at the next place where
    nothing is half done, or after two seconds; a second signal acts at once. An exception that one thread throws into
    another cannot be deferred, so an interrupted restore is repeated.

    Args:
        takes: Functions that save some state, in the order in which the changes begin.
        body: The function.

    Returns:
        Its result.
    """
    stops = in_charge()
    outermost = stops is not _in_charge
    try:
        try:
            if outermost and _in_main_thread():
                stops.install()
            return _put_back_through(stops, takes, body)
        finally:
            if outermost:
                stops.remove()
    finally:
        if outermost:
            stops.remove()


def _put_back_through(stops: Stops, takes: Sequence[Callable[[], Kept]], body: Callable[[], T]) -> T:
    """Defers signals while something is saved or restored."""
    kept: list[Kept] = []
    before = stops.open, stops.keeps_blocks  # the stops of the run whose loss computes this run
    try:
        try:
            stops.open = False
            for take in takes:
                kept.append(take())
                kept[-1].begin()
            stops.open = True
            return body()
        finally:
            stops.open = False
            _each_put_back(kept)
    finally:
        stops.open = False
        try:
            _each_put_back(kept)
        finally:
            stops.open, stops.keeps_blocks = before


def _each_put_back(kept: Sequence[Kept]) -> None:
    """Restores all, the last first, even if one of them raises."""
    if kept:
        try:
            kept[-1].put_back()
        finally:
            _each_put_back(kept[:-1])
