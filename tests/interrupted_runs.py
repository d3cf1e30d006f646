"""Runs that are interrupted, in a program of its own: `interrupted_runs.py [--signals N] [--every K] [--folder F]`.

Ctrl-C comes at random moments, once or twice in a row; and exceptions come, by a signal or out of another thread, at
every Kth place of the house between two instructions. Nothing may have changed then, and the next values are the same.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import interruptions
import numpy as np
import torch
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.runs import signals, turns
from untouched import assert_same, resources, snapshot

# Where things are put back, and where a run begins and ends.
PUT_BACK = [
    *(f"runs/{name}.py" for name in ("run", "signals", "turns", "evaluation")),
    *(f"model/{name}.py" for name in ("global_state", "lending", "pauses")),
    "engine/workers.py",
    "api/around.py",
]
EVERYWHERE = [str(path.relative_to(interruptions.HOUSE)) for path in sorted(interruptions.HOUSE.rglob("*.py"))]


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(), nn.Linear(5, 3)
    return nn.Sequential(*layers).double().train()


DATA = torch.linspace(-1, 1, 36, dtype=torch.float64).reshape(9, 4), torch.arange(9) % 3
KINDS: dict[str, dict[str, Any]] = {
    "lent": {"lend": True, "train_mode": True, "plan": Plan("loop", 2, 4)},
    "in place": {"lend": True, "low_memory": True, "keep": "disk", "train_mode": True, "plan": Plan("loop", 2, 4)},
    "vmap": {"train_mode": True, "batchnorm": "running", "plan": Plan("vmap", 2, 9)},
    "workers": {"plan": Plan("loop", 2, 9, workers=2)},
    "auto": {"x": (-1, 1, 12), "y": (-1, 1, 12)},
}


def surface(model: nn.Module, **options: Any) -> np.ndarray:
    return fastscape.surface(model, DATA, **{"x": (-1, 1, 3), "y": (-1, 1, 2), "progress": False, **options}).loss


def state(model: nn.Module) -> dict[str, object]:
    found = snapshot(model)
    del found["versions"]  # which count how often a lent model was written to
    taken = turns._turn.acquire(timeout=0)
    if taken:
        turns._turn.release()
    found["turn"] = taken, getattr(turns._here, "runs", False), turns._turn._is_owned(), signals._in_charge is None
    return found


def checked(what: object, model: nn.Module, before: dict[str, object]) -> None:
    after = state(model)
    for name, value in before.items():
        try:
            assert_same(value, after[name])
        except AssertionError:
            raise AssertionError(f"{name} has changed: {value} to {after[name]}, by {what}") from None


def everywhere(files: list[str], step: int) -> Iterator[str]:
    """An exception at every kth place."""
    for kind, options in KINDS.items():
        model = network()

        def run(model: nn.Module = model, options: dict[str, Any] = options) -> np.ndarray:
            return surface(model, **options)

        alone = run()
        before = state(model)
        found = interruptions.places(files, run)
        for how in ("thrown", "signal"):
            for place in found[::step]:
                interruptions.interrupted(place, how, run)
                checked(f"{how} at {place}", model, before)
            assert np.allclose(run(), alone, rtol=1e-12, atol=0), kind  # the planner may have taken another plan
        yield f"{kind}: {2 * len(found[::step])} exceptions"


def ctrl_c(delay: float, twice: bool) -> threading.Thread:
    """A thread that sends the signal after a while, as a terminal does."""

    def send() -> None:
        time.sleep(delay)
        os.kill(os.getpid(), signal.SIGINT)
        if twice:
            time.sleep(random.Random(delay).uniform(0, 0.002))
            os.kill(os.getpid(), signal.SIGINT)

    return threading.Thread(target=send)


def stopped(run: Callable[[], Any], delay: float, twice: bool) -> bool:
    """Whether a run was stopped by Ctrl-C, and not only what came after it."""
    done, sender = [], ctrl_c(delay, twice)
    try:
        try:
            sender.start()
            run()
            done.append(True)
            sender.join()
            time.sleep(0.01)
        except KeyboardInterrupt:
            sender.join()
            time.sleep(0.01)
    except KeyboardInterrupt:  # the second one
        sender.join()
    return not done


def timed(model: nn.Module, options: dict[str, Any]) -> float:
    started = time.perf_counter()
    surface(model, **options)
    return time.perf_counter() - started


def at_random(count: int, folder: Path) -> Iterator[str]:
    """Ctrl-C at random moments."""
    chance = random.Random(0)
    for kind, options in {**KINDS, "store": {"plan": Plan("loop", 2, 9)}}.items():
        model = network()
        stops, path = 0, None
        alone = surface(model, **options)
        seconds = min(timed(model, options) for _ in range(3))
        before = state(model)
        for number in range(-(-count // (len(KINDS) + 1))):
            if kind == "store":
                path = folder / f"{number // 3}.zarr"  # which some runs take up again, and others have finished
            delay, twice = chance.uniform(0, 1.2 * seconds), number % 4 == 3

            def run(path: Path | None = path, model: nn.Module = model, options: dict[str, Any] = options) -> Any:
                return surface(model, store=path, **options)

            stops += stopped(run, delay, twice)
            checked(f"Ctrl-C {number} of {kind} after {delay}", model, before)
            if number % 3 == 2:
                assert np.allclose(run(), alone, rtol=1e-12, atol=0), (kind, number)
                checked(f"a run after Ctrl-C {number} of {kind}", model, before)
        yield f"{kind}: {stops} runs were stopped"


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell sets to nothing in the background
    parser = argparse.ArgumentParser()
    parser.add_argument("--signals", type=int, default=0)
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path())
    given = parser.parse_args()
    surface(network(), store=given.folder / "first.zarr")  # which loads what is loaded late
    gc.collect()
    before = resources()
    said: list[str] = []
    if given.every:
        said += everywhere(EVERYWHERE if given.everywhere else PUT_BACK, given.every)
    if given.signals:
        said += at_random(given.signals, given.folder)
    gc.collect()
    time.sleep(0.2)
    after = resources()
    assert before == after, (before, after)
    print("\n".join([*said, "all is as it was"]), file=sys.stdout)


if __name__ == "__main__":
    main()
