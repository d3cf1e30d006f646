"""Rivals of a benchmark take turns: while one runs, the others are stopped."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import Future, ProcessPoolExecutor

import pytest

from benchmarks import turns
from benchmarks.turns import Job, take_turns

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops processes by signals")


class Machine:
    """Processes and a clock that are made up: whoever is not stopped works while the caller waits."""

    def __init__(self, work: dict[str, float]) -> None:
        self.left = dict(work)
        self.now = 100.0
        self.futures: dict[str, Future] = {}
        self.running: set[str] = set()
        self.log: list[tuple[str, float]] = []

    def job(self, name: str, expected: float) -> Job:
        def start() -> Future:
            self.futures[name] = Future()
            self.running.add(name)
            return self.futures[name]

        return Job(start, ord(name), expected)

    def killpg(self, process: int, number: int) -> None:
        name = chr(process)
        assert (name in self.running) == (number == signal.SIGSTOP)
        self.running ^= {name}

    def wait(self, futures: list[Future], timeout: float) -> None:
        (name,) = self.running  # all others are stopped
        assert futures == [self.futures[name]]
        passed = min(timeout, self.left[name])
        self.now += passed
        self.left[name] -= passed
        self.log.append((name, passed))
        if not self.left[name]:
            self.futures[name].set_result(None)
            self.running.remove(name)


@pytest.fixture
def machine(monkeypatch):
    made = Machine({"a": 80.0, "b": 24.0, "c": 3.0})
    monkeypatch.setattr(os, "killpg", made.killpg)
    monkeypatch.setattr(turns, "wait", made.wait)
    monkeypatch.setattr(time, "perf_counter", lambda: made.now)
    return made


def test_turns_are_in_proportion_and_nobody_runs_beside_another(machine):
    pauses = []

    def between() -> None:
        assert not machine.running
        pauses.append(machine.now)
        machine.now += 1000.0

    jobs = {"a": machine.job("a", 80.0), "b": machine.job("b", 48.0), "c": machine.job("c", 3.0)}
    began = machine.now
    stopped = take_turns(jobs, between)
    # a: 80 / 8 seconds a turn, the first twice as long; b was expected to take longer; c ends in its first turn.
    assert machine.log[:5] == [("a", 20.0), ("b", 12.0), ("c", 3.0), ("a", 10.0), ("b", 6.0)]
    assert [sum(seconds for name, seconds in machine.log if name == who) for who in "abc"] == [80.0, 24.0, 3.0]
    assert len(pauses) == 7
    # What a was not stopped for is its own time; it ends in the last turn, before the last pause.
    assert machine.now - 1000.0 - began - stopped["a"] == 80.0
    assert stopped["c"] == 0.0


def test_a_failed_job_ends_its_turns(machine, monkeypatch):
    jobs = {"a": machine.job("a", 80.0), "b": machine.job("b", 24.0)}
    original = machine.wait

    def failing(futures, timeout):
        if machine.running == {"b"}:
            machine.futures["b"].set_exception(ValueError("no"))
            machine.running.clear()
        else:
            original(futures, timeout)

    monkeypatch.setattr(turns, "wait", failing)
    take_turns(jobs, lambda: None)
    assert machine.left["a"] == 0.0
    assert isinstance(machine.futures["b"].exception(), ValueError)


def busy(seconds: float) -> float:
    ending = time.process_time() + seconds
    while time.process_time() < ending:
        pass
    return seconds


@pytest.fixture
def pools():
    context = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, context, os.setpgrp) for name in "ab"}
    yield pools
    for pool in pools.values():
        pool.shutdown(cancel_futures=True)


def jobs_of(pools, started, seconds):
    def starter(name):
        def start():
            started[name] = pools[name].submit(busy, seconds)
            return started[name]

        return start

    return {name: Job(starter(name), pool.submit(os.getpid).result(), 0.0) for name, pool in pools.items()}


def test_real_processes_end_and_were_stopped(pools, monkeypatch):
    monkeypatch.setattr(turns, "SHORTEST", 0.05)
    started = {}
    stopped = take_turns(jobs_of(pools, started, seconds=0.5), lambda: None)
    assert [future.result() for future in started.values()] == [0.5, 0.5]
    # While one worked for half a second, with a turn of its own at most, the other was stopped.
    assert stopped["b"] > 0.2


def test_nothing_is_left_stopped_when_the_caller_fails(pools, monkeypatch):
    monkeypatch.setattr(turns, "SHORTEST", 0.05)
    started = {}
    jobs = jobs_of(pools, started, seconds=600.0)

    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_turns(jobs, fail)
    for name, job in jobs.items():
        assert started[name].exception(timeout=60) is not None
        for _ in range(600):
            try:
                os.kill(job.process, 0)
            except ProcessLookupError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the process still lives")
