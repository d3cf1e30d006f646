"""Signals that end a run: Ctrl-C, and SIGTERM, by which schedulers take a machine away."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Stops", "held"]

SIGNALS = signal.SIGINT, signal.SIGTERM
GRACE = 5.0  # seconds that other processes have to end what they are at; one that was killed never does


class Stops:
    """Whether a signal has come, and what it would have done."""

    def __init__(self) -> None:
        self.came: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        """Holds signals back; a second one acts at once."""
        # Handlers that were not installed from Python could not be put back.
        those = [number for number in SIGNALS if signal.getsignal(number) is not None]
        self._before = {number: signal.signal(number, self._noted) for number in those}

    def remove(self) -> None:
        """Puts back what the signals did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def act(self, say: Callable[[], None]) -> None:
        """Lets the signal that came do what it would have done.

        Args:
            say: Called before, when one has come.
        """
        if self.came is None:
            return
        say()
        number, self.came = self.came, None
        self._passed_on(number)

    def act_if_late(self, say: Callable[[], None]) -> None:
        """Lets a signal act that came a while ago: for a process that waits for others.

        Args:
            say: Called before, when one has come.
        """
        if self.came is not None and time.monotonic() - self._since > GRACE:
            self.act(say)

    def _noted(self, number: int, frame: FrameType | None) -> None:
        if self.came is not None:
            self._passed_on(number)
        self.came, self._since = number, time.monotonic()

    def _passed_on(self, number: int) -> None:
        signal.signal(number, self._before[number])
        try:
            # KeyboardInterrupt, or the end of the process, or what the user's handler does
            signal.raise_signal(number)
        finally:
            signal.signal(number, self._noted)


@contextmanager
def held() -> Iterator[Stops]:
    """Holds Ctrl-C and SIGTERM back until the run asks for them, where this is the main thread.

    Yields:
        What has come.
    """
    stops = Stops()
    if threading.current_thread() is threading.main_thread():
        stops.install()
    try:
        yield stops
    finally:
        stops.remove()
    if stops.came is not None:
        signal.raise_signal(stops.came)
