"""Threads of one process, Ctrl-C at any moment, forks: the values of each alone, and all global state as before.

With FASTSCAPE_STRESS there are more of all of them: `make stress`.
"""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import fastscape
from fastscape import Plan
from fastscape.runs import signals, turns
from untouched import assert_same, global_state, resources, snapshot

STRESS = bool(os.environ.get("FASTSCAPE_STRESS"))
THREADS, TIMES = (20, 8) if STRESS else (4, 2)
SIGNALS, EVERY = (200, 1) if STRESS else (20, 40)

DATA = torch.linspace(-1, 1, 600).reshape(60, 10).sin(), torch.arange(60) % 3
GRID = {"x": (-1, 1, 5), "y": (-1, 1, 4), "progress": False}
LOOP = Plan("loop", 4, 60)


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def noisy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Draws from every global generator, and lets other threads come in between."""
    time.sleep(1e-4)
    shift = random.random() + np.random.rand()  # noqa: NPY002
    return F.cross_entropy(outputs + torch.rand(()) * shift, targets)


def mean(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, targets)


def calls(seed: int) -> list:
    """What a thread computes, each a function without arguments that gives values."""
    model, other = network(seed), network(seed + 1)
    bowl = fastscape.surface(model, DATA, plan=LOOP, **GRID)
    made = fastscape.line(model, DATA, x=(0, 1, 5), train_mode=True, plan=LOOP, progress=False)
    return [
        lambda: fastscape.surface(model, DATA, loss=noisy, train_mode=True, plan=LOOP, **GRID).loss,
        lambda: fastscape.surface(model, DATA, train_mode=True, plan=Plan("vmap", 4, 60), **GRID).loss,
        lambda: fastscape.surface(model, DATA, plan=Plan("loop", 8, 60, workers=2), **GRID).loss,
        lambda: fastscape.surface(other, DATA, train_mode=True, lend=True, plan=LOOP, **GRID).loss,
        lambda: fastscape.line(model, DATA, to=other, x=(0, 1, 5), loss=noisy, plan=LOOP, progress=False).loss,
        lambda: made.reproduce(model, DATA, progress=False).loss,
        lambda: fastscape.surface(model, DATA, precision="bfloat16", plan=LOOP, **GRID).loss,
        lambda: bowl.descend(start=(0.5, 0.5), optimizer="adam", steps=9).height,
    ]


def test_every_thread_gets_the_values_of_each_alone():
    every = [calls(seed) for seed in range(THREADS)]
    alone = [[call() for call in own] for own in every]
    gc.collect()
    before, held = global_state(), resources()
    wrong: list = []

    def work(k: int) -> None:
        order = random.Random(k)
        own = global_state()
        for index in [order.randrange(len(every[k])) for _ in range(TIMES * len(every[k]))]:
            if not np.array_equal(every[k][index](), alone[k][index]):
                wrong.append((k, index))
        own["warnings"] = before["warnings"]  # belongs to all threads, and in a run of another one it may be another
        modes = "grad mode", "autocast", "autocast's memory", "modes of dispatch", "transforms"
        assert_same({name: own[name] for name in modes}, {name: global_state()[name] for name in modes})

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, k) for k in range(THREADS)]:
            done.result()
    assert wrong == []
    gc.collect()
    assert_same(before, global_state())
    assert_same(held, resources())


def test_threads_that_lend_one_model_take_turns():
    model = network(0)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    lends = [{"lend": True}, {"lend": True, "seed": 1}, {}, {"seed": 1}] * (THREADS // 4)
    grid = {**GRID, "train_mode": True, "plan": LOOP}
    alone = [fastscape.surface(model, DATA, **given, **grid).loss for given in lends]
    before = snapshot(model)
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(fastscape.surface, model, DATA, **given, **grid) for given in lends]
        for values, right in zip(running, alone, strict=True):
            assert np.array_equal(values.result().loss, right)
    after = snapshot(model)
    assert_same({**before, "versions": None}, {**after, "versions": None})  # which count what was written


def test_a_loss_may_compute_a_landscape():
    model, inner = network(0), network(1)
    alone = fastscape.surface(inner, DATA, loss=noisy, train_mode=True, plan=LOOP, **GRID).loss
    plain = fastscape.surface(model, DATA, loss=mean, train_mode=True, plan=LOOP, **GRID).loss
    found, handlers = [], []

    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found.append(fastscape.surface(inner, DATA, loss=noisy, train_mode=True, plan=LOOP, lend=True, **GRID).loss)
        handlers.append(signal.getsignal(signal.SIGINT))
        return mean(outputs, targets)

    before = snapshot(model)
    landscape = fastscape.surface(model, DATA, loss=loss, train_mode=True, plan=LOOP, **GRID)
    assert np.array_equal(landscape.loss, plain)
    assert all(np.array_equal(values, alone) for values in found)
    assert len(set(map(str, handlers))) == 1  # the inner one has left that of the outer one
    assert_same(before, snapshot(model))


def test_an_error_gives_the_turn_to_the_next():
    model = network(0)

    def fails(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        fastscape.surface(model, DATA, loss=fails, plan=LOOP, **GRID)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fastscape.surface, model, DATA, plan=LOOP, **GRID).result(timeout=60)


def test_who_waits_for_long_says_for_what(monkeypatch):
    monkeypatch.setattr(turns, "SILENCE", 0.0)
    monkeypatch.setattr(turns, "LOOK", 0.01)
    inside, go_on = threading.Event(), threading.Event()

    def holds() -> None:
        inside.set()
        go_on.wait()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(turns.in_turn, holds)
        inside.wait()
        asked = threading.Timer(0.3, go_on.set)
        asked.start()
        with pytest.warns(UserWarning, match="take turns: use processes to compute several at once") as said:
            assert turns.in_turn(lambda: 3) == 3
        holding.result()
        asked.join()
    assert len(said) == 1


def test_a_thread_that_was_interrupted_while_it_waited_has_taken_no_turn():
    inside, go_on = threading.Event(), threading.Event()

    def holds() -> None:
        inside.set()
        go_on.wait()

    class Thrown(Exception):
        pass

    def throws() -> float:
        raise Thrown

    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        holding = pool.submit(turns.in_turn, holds)
        inside.wait()
        patch.setattr(turns, "LOOK", 0.01)
        patch.setattr(turns.time, "monotonic", throws)
        with pytest.raises(Thrown):
            turns.in_turn(lambda: 3)
        patch.undo()
        assert not turns._turn.acquire(blocking=False)  # it still is the other thread's
        go_on.set()
        holding.result()
        assert turns.in_turn(lambda: 3) == 3


class TestSignals:
    """Those of a run, without a real one: the tests may run in a thread, which signals do not reach."""

    def test_the_first_waits_for_rest_and_the_second_does_not(self):
        stops, acted = signals.Stops(), []
        stops._before = {signal.SIGINT: lambda number, frame: acted.append(number)}
        stops._installed = stops.open = True
        stops._noted(signal.SIGINT, None)
        assert acted == []
        stops._noted(signal.SIGINT, None)
        assert acted == [signal.SIGINT]
        assert stops.came is None

    def test_none_acts_while_something_is_put_back(self):
        stops, acted = signals.Stops(), []
        stops._before = {signal.SIGINT: lambda number, frame: acted.append(number)}
        stops._installed = True
        for _ in range(3):
            stops._noted(signal.SIGINT, None)
        assert acted == []
        assert stops.came == signal.SIGINT
        fastscape.model.when_at_rest(None)

    def test_a_handler_that_somebody_has_kept_does_what_the_first_did(self):
        stops, acted = signals.Stops(), []
        stops._before = {signal.SIGINT: lambda number, frame: acted.append(number)}
        stops._noted(signal.SIGINT, None)
        assert acted == [signal.SIGINT]

    def test_all_is_put_back_whatever_comes_of_one(self):
        done: list[str] = []

        class Kept:
            def __init__(self, name: str, fails: bool) -> None:
                self.name, self.fails = name, fails

            def begin(self) -> None:
                done.append(f"begin {self.name}")

            def put_back(self) -> None:
                done.append(f"put back {self.name}")
                if self.fails:
                    raise OSError(self.name)

        takes = [lambda: Kept("a", fails=False), lambda: Kept("b", fails=True)]
        with pytest.raises(OSError, match="b"):
            signals.put_back_after(takes, lambda: done.append("run"))
        assert done[:5] == ["begin a", "begin b", "run", "put back b", "put back a"]


def program(name: str, *arguments: str) -> str:
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
    command = [sys.executable, str(tests / name), *arguments]
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=7200 if STRESS else 300
    )
    assert found.returncode == 0, found.stderr
    print(found.stdout)
    return found.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="instructions of Python 3.11, and stores")
def test_nothing_changes_by_ctrl_c_at_any_moment(tmp_path):
    given = [f"--signals={SIGNALS}", f"--every={EVERY}", f"--folder={tmp_path}", *(["--everywhere"] if STRESS else [])]
    assert program("interrupted_runs.py", *given).endswith("all is as it was\n")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.skipif(sys.version_info < (3, 11), reason="stores")
def test_a_call_works_in_a_process_that_was_forked_or_spawned(tmp_path):
    assert program("forked_runs.py", str(tmp_path)) == "all are right\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_ends_a_wait_for_the_turn_and_not_the_run_of_the_other_thread():
    found = subprocess.run([sys.executable, "-c", WAITS], capture_output=True, text=True, check=False, timeout=120)
    assert found.stdout.split() == ["stopped", "True"], found.stderr


WAITS = """
import os, signal, threading, torch, fastscape
signal.signal(signal.SIGINT, signal.default_int_handler)
from torch import nn
model, data = nn.Linear(4, 3), (torch.rand(9, 4), torch.arange(9) % 3)
inside, go_on = threading.Event(), threading.Event()
def loss(outputs, targets):
    inside.set()
    go_on.wait()
    return nn.functional.cross_entropy(outputs, targets)
options = dict(x=(-1, 1, 3), y=(-1, 1, 2), progress=False)
made = []
other = threading.Thread(target=lambda: made.append(fastscape.surface(model, data, loss=loss, **options)))
other.start()
inside.wait()
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    fastscape.surface(model, data, **options)
except KeyboardInterrupt:
    print("stopped")
go_on.set()
other.join()
print((made[0].loss == fastscape.surface(model, data, loss=loss, **options).loss).all())
"""
