"""Waits for other processes: signs of life, missing processes, and the timeout.

Each process of a call sends heartbeats: a thread writes a count, and the process that it waits for, into the shared
store. So a waiting process can follow the chain to the process that keeps all others waiting. A process that sends
heartbeats and waits for no other is at work, however long its block takes. A process that has not arrived, has died,
or waits in a circle is named in a warning after a minute and given up after the timeout.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from fastscape.results import warn

__all__ = ["Waiting"]

SILENCE = 60.0  # seconds without a heartbeat until a warning names the process; half the timeout, if that is less
PULSE = 10.0  # seconds between two heartbeats; an eighth of the timeout, if that is less
BEATS_LEFT_OUT = 3  # seconds after its last heartbeat until a process counts as silent
LONGEST_PAUSE = 0.5  # seconds between two checks: a thousand processes ask one of them


class Waiting:
    """Sends the heartbeats of a process, and waits for other processes.

    `meanwhile` is called repeatedly while waiting; `kept` says which results are safe when another process is given
    up.

    Args:
        store: The store that all processes of a call share.
        rank: The number of this process.
        size: Number of processes.
        timeout: Seconds without a sign of life after which another process is given up.
    """

    def __init__(self, store: Any, rank: int, size: int, timeout: float) -> None:
        self.store, self.rank, self.size, self.timeout = store, rank, size, timeout
        self.meanwhile: Callable[[], None] = lambda: None
        self.kept: Callable[[], str] = lambda: "nothing is kept: write store= to keep what is computed"
        self._awaited: int | None = None
        self._seen: dict[int, tuple[bytes | None, float]] = {}  # last heartbeat of others, and its time
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def pulse(self) -> float:
        """Seconds between two heartbeats."""
        return min(PULSE, self.timeout / 8)

    def begin(self) -> None:
        """Starts the heartbeats."""
        self._thread = threading.Thread(target=self._beat, name="fastscape signs of life", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stops the heartbeats."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(self.pulse)  # the thread may be in the middle of a request

    def until(self, there: Callable[[], bool], whose: int) -> None:
        """Waits until another process has done something.

        Args:
            there: Whether it is done.
            whose: The number of that process.

        Raises:
            RuntimeError: When another process has failed.
            TimeoutError: When that process, or a process that it waits for, is given up.
        """
        begun = heard = looked = time.monotonic()
        pause, said = 0.001, set[str]()
        self._awaited = whose
        try:
            while not there():
                if self.store.check(["failed"]):
                    failed = self.store.get("failed").decode()
                    raise RuntimeError(f"another process of this landscape has failed: {failed}")
                now = time.monotonic()
                if now - looked > self.pulse:
                    looked, (who, state) = now, self._kept_waiting_by(whose)
                    heard = now if state is None else heard
                    self._judge(who, state, now - heard, now - begun, said)
                self.meanwhile()
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE, self.pulse)
        finally:
            self._awaited = None

    def _judge(self, who: int, state: str | None, silent: float, waited: float, said: set[str]) -> None:
        """Warns once of the process that is waited for, and gives up a process that is silent for too long."""
        one = f"process {self.rank} of {self.size}"
        if state is None:
            if waited > max(self.timeout, SILENCE) and "works" not in said:
                said.add("works")
                warn(f"{one} has waited {waited:.0f} s for process {who}, which is at work; it goes on waiting")
        elif silent > self.timeout:
            raise TimeoutError(
                f"{one} has given up process {who}, which {state}, after {silent:.3g} s without a sign of it "
                f"(timeout={self.timeout:g}); {self.kept()}; where a process calls alone, write distributed=False"
            )
        elif silent > min(SILENCE, self.timeout / 2) and state not in said:
            said.add(state)
            warn(
                f"{one} waits for process {who}, which {state}, for {silent:.3g} s so far, and gives it up after "
                f"{self.timeout:g} s (timeout=); where a process calls alone, write distributed=False"
            )

    def _kept_waiting_by(self, whose: int) -> tuple[int, str | None]:
        """The process at the end of the chain of waiting processes, and its problem; None if it is at work."""
        passed = [self.rank]
        while whose not in passed:
            passed.append(whose)
            beat, since = self._sign(whose)
            if beat is None:
                return whose, "has not come to this call"
            if time.monotonic() - since > BEATS_LEFT_OUT * self.pulse:
                return whose, "shows no sign of life any more"
            awaited = json.loads(beat)[1]
            if awaited is None:
                return whose, None
            whose = awaited
        return passed[1], f"waits for process {whose} itself"

    def _sign(self, rank: int) -> tuple[bytes | None, float]:
        """The last heartbeat of another process, and the time when it was first seen."""
        name = f"beat {rank}"
        beat = self.store.get(name) if self.store.check([name]) else None
        if rank not in self._seen or self._seen[rank][0] != beat:
            self._seen[rank] = beat, time.monotonic()
        return self._seen[rank]

    def _beat(self) -> None:
        for count in itertools.count():
            try:
                self.store.set(f"beat {self.rank}", json.dumps([count, self._awaited]))
            except Exception:  # the store is gone, and the other processes will notice
                return
            if self._ended.wait(self.pulse):
                return
