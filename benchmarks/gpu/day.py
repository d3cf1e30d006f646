"""Watches over a day: its time, and the process in which everything is measured. Nothing here needs torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.gpu.records import STAGES, Records

__all__ = ["AGAIN", "REFUSED", "failures", "started", "watched"]

AGAIN, REFUSED = 75, 2  # what the process returns when it must be started anew, and when it refuses the folder
TURN = 0.1  # seconds between two looks
LEAST = 180.0  # seconds that the first process has at least, to import torch and to list what it leaves out


def watched(start: Callable[[], subprocess.Popen[bytes]], records: Records, until: float) -> int:
    """Lets a process run the entries, and starts it anew as often as one of them ends it.

    Args:
        start: Starts the process, which leads a group.
        records: Where it notes what it does.
        until: The time at which all must be done.

    Returns:
        0; or what the process returned, if it did not end by an entry.
    """
    least = time.time() + LEAST
    while True:
        with _held(start()) as process:
            ended = _ended(process, records, until, least)
        running = records.running
        records.rest()
        if ended == "late":
            if running:
                records.cut(running["stage"], running["entry"], time.time() - running["since"])
                print(f"ended because time ran out: {running['stage']}: {running['entry']}", flush=True)
            return 0
        if running:
            took = time.time() - running["since"]
            result = {"state": "failed", "error": ended, "took": took}
            records.put(running["stage"], running["entry"], result)
            print(f"{running['stage']}: {running['entry']}: failed: {ended}", flush=True)
        elif process.returncode != AGAIN:
            return process.returncode
        if time.time() > until:
            return 0


def _ended(process: subprocess.Popen[bytes], records: Records, until: float, least: float) -> str:
    """How a process ended: by itself, or because an entry, or all of them, took too long."""
    while process.poll() is None:
        time.sleep(TURN)
        now, running = time.time(), records.running
        if now > until and (running or now > least):
            return "late"
        if running and now > running["until"]:
            return f"it was ended after {now - running['since']:.0f} s, much longer than it was expected to take"
    return f"its process ended with {process.returncode}"


@contextmanager
def _held(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is not left behind, nor the compilers that it has started."""
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def started(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """The process that measures."""
    environment = dict(os.environ)
    root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "benchmarks.gpu.worker", *arguments]
    return subprocess.Popen(command, env=environment, preexec_fn=os.setpgrp)


def failures(records: Records) -> int:
    """How many entries failed or are wrong, and stages that could not be begun."""
    found = [records.stage(name) for name in STAGES]
    entries = [entry for stage in found for entry in stage["entries"].values()]
    return sum("error" in stage for stage in found) + sum(entry["state"] in ("failed", "wrong") for entry in entries)
