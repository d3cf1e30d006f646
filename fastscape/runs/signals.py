"""Signals that end a run: Ctrl-C, and SIGTERM, by which schedulers take a machine away.

They come between any two instructions of Python, also of those that put something back. So a run holds them back, and
lets them do what they would have done where nothing is half done: between two evaluations, or where blocks are kept
between two blocks. What is put back in the end is put back before.
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
GRACE = 5.0  # seconds that other processes have to end what they are at; one that was killed never does
INSISTS = 2.0  # seconds after which a signal acts wherever the run is, unless a block is to be kept


class Kept(Protocol):
    """What holds afterwards what it held when this was made."""

    def begin(self) -> None:
        """Changes what a run wants to be different."""

    def put_back(self) -> None:
        """Makes everything what it was. May be called again after it was left in the middle."""


class Stops:
    """Whether a signal has come, and what it would have done."""

    def __init__(self) -> None:
        self.came: int | None = None
        self.open = False  # whether a signal may act anywhere; else something is being put back
        self.keeps_blocks = False
        self._since = 0.0
        self._before: dict[int, Any] = {}
        self._installed = self._insists = False
        self._lock = threading.Lock()

    def install(self) -> None:
        """Holds those signals back for which Python calls something: only these can leave things half done."""
        global _in_charge
        _in_charge = self
        self._installed = True
        self._hold([number for number in SIGNALS if callable(signal.getsignal(number))])

    def keep_blocks(self) -> None:
        """From here on signals wait until a block is kept, also those that end the process without a word."""
        if self._installed:
            # Handlers that were not installed from Python could not be put back; what is ignored stays ignored.
            self._hold([number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL])
            self.keeps_blocks = True

    def remove(self) -> None:
        """Puts back what the signals did before, and lets the one act that has come in the meantime."""
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
        """Lets the signal that came do what it would have done.

        Args:
            say: Called before, when one has come.
        """
        if self.came is None:
            return
        say()
        number, self.came = self.came, None
        when_at_rest(None)
        self._passed_on(number, sys._getframe())

    def act_if_late(self, say: Callable[[], None]) -> None:
        """Lets a signal act that came a while ago: for a process that waits for others.

        Args:
            say: Called before, when one has come.
        """
        if self.came is not None and time.monotonic() - self._since > GRACE:
            self.act(say)

    def forked(self) -> None:
        """In a child process signals do what they did before."""
        self._installed, self._lock = False, threading.Lock()

    def _hold(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._before[number] = signal.getsignal(number)
            signal.signal(number, self._noted)

    def _put_back(self, numbers: Sequence[int]) -> None:
        if numbers:
            try:
                if signal.getsignal(numbers[0]) == self._noted:  # else somebody has exchanged it on the way
                    signal.signal(numbers[0], self._before[numbers[0]])
            finally:  # the handler that is back may raise at once
                self._put_back(numbers[1:])

    def _noted(self, number: int, frame: FrameType | None) -> None:
        """Takes the place of what a signal does. A second one acts at once, and the first does when it insists."""
        if self._insists:
            self._insists = False
            if self.came is None or not self.open:
                return  # it has acted in the meantime, or will
        elif not self._installed and number in self._before:  # in a child, or where somebody has kept this handler
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
        """Has a signal act that has found no place to: an evaluation may be long, or hang."""
        while self.came is not None and time.monotonic() - self._since < INSISTS:
            time.sleep(0.05)
        with self._lock:
            if self._installed and self.open and self.came is not None:
                self._insists = True
                _thread.interrupt_main(number)

    def _passed_on(self, number: int, frame: FrameType | None) -> None:
        before = self._before[number]
        if callable(before):
            before(number, frame)  # KeyboardInterrupt, or what the user's handler does
            return
        signal.signal(number, before)
        try:
            signal.raise_signal(number)  # the end of the process
        finally:
            signal.signal(number, self._noted)


_in_charge: Stops | None = None  # of the run in the main thread, which alone gets signals


def in_charge() -> Stops:
    """What holds signals back for the run of this thread; where there is none, one to which no signal comes."""
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
    """Runs something, and puts back what it changes, whatever ends it.

    In the main thread no signal comes in between. One that comes on the way acts at the next place where nothing is
    half done, or after two seconds; a second one acts at once. Nobody can hold back what one thread throws into
    another; so what was left in the middle of putting back is put back once more.

    Args:
        takes: Each notes what something holds, in the order in which they begin.
        body: What is run.

    Returns:
        What it returns.
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
    """Closes the run to signals while something is noted or put back."""
    kept: list[Kept] = []
    before = stops.open, stops.keeps_blocks  # those of the run whose loss this one is computed in
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
    """The last one first, and all, whatever comes of one."""
    if kept:
        try:
            kept[-1].put_back()
        finally:
            _each_put_back(kept[:-1])
