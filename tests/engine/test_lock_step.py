"""Calls that run side by side, one at a time, and stop together at places."""

import contextlib
import contextvars
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from fastscape.engine import lock_step
from fastscape.engine.lock_step import Entangled, LockStep
from fastscape.model import at_rest, modes_here, modes_of, when_at_rest


@pytest.fixture(autouse=True)
def _no_thread_is_left_over():
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("fastscape")]


def stepping(entered=lambda place, number: None):
    modes = modes_here()
    return LockStep(entered, lambda: modes_of(modes))


def walk(step, places, made, *, ran=None):
    for place in places:
        step.arrive(place)
        if ran is not None:
            ran.append((place, made))
    return made


def test_calls_pass_a_place_together_in_their_order():
    entered, ran = [], []
    step = stepping(lambda place, number: entered.append((place, number)))
    assert step.run([lambda k=k: walk(step, "ab", k, ran=ran) for k in range(3)]) == [0, 1, 2]
    assert ran == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]
    assert entered == [(None, 0), (None, 1), (None, 2), *ran]


@pytest.mark.parametrize(
    "ways", [["ab", "abc", "a"], ["aab", "ab", "ab"], ["ab", "ba", "cab"], ["", "a"], ["aaa", "a", "aaaa"]], ids=str
)
def test_calls_may_take_different_ways(ways):
    ran = []
    step = stepping()
    assert step.run([lambda k=k, way=way: walk(step, way, k, ran=ran) for k, way in enumerate(ways)]) == list(
        range(len(ways))
    )
    for k, way in enumerate(ways):
        assert "".join(place for place, number in ran if number == k) == way


def test_a_place_is_passed_by_all_that_wait_there_before_the_next_one():
    entered = []
    step = stepping(lambda place, number: entered.append(place))
    step.run([lambda way=way: walk(step, way, 0) for way in ("xab", "ab", "ab")])
    assert entered == [None, None, None, "x", *"aaabbb"]


def test_one_call_at_a_time():
    running, most = [], []

    def work():
        for place in "abc":
            running.append(1)
            most.append(len(running))
            running.pop()
            step.arrive(place)

    step = stepping()
    step.run([work] * 5)
    assert max(most) == 1
    assert len(most) == 15


@pytest.mark.parametrize("raised", [ArithmeticError, KeyboardInterrupt, SystemExit])
def test_an_error_of_one_call_ends_all_and_comes_once(raised):
    ended = []

    def work(k):
        try:
            step.arrive("a")
            if k == 1:
                raise raised("of call 1")
            with contextlib.suppress(Exception):  # which is not how a call is ended
                step.arrive("b")
            ended.append("never")
        finally:
            ended.append(k)

    step = stepping()
    with pytest.raises(raised, match="of call 1"):
        step.run([lambda k=k: work(k) for k in range(4)])
    assert sorted(ended) == [0, 1, 2, 3]


def test_what_an_error_holds_is_free_when_it_is_gone():
    class Large:
        pass

    large = Large()
    gone = weakref.ref(large)

    def work(held):
        step.arrive("a")
        raise MemoryError

    step, works = stepping(), [lambda held=large: work(held)]
    del large
    gc.disable()
    try:
        with contextlib.suppress(MemoryError):
            step.run(works)
        works.clear()
        assert gone() is None
    finally:
        gc.enable()


def test_an_interruption_where_nothing_is_half_done_ends_all():
    calls = []

    def interrupt():
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    step = stepping()
    when_at_rest(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            step.run([lambda: walk(step, "ab", 0)] * 3)
    finally:
        when_at_rest(None)
    at_rest()
    assert len(calls) == 4


def test_an_error_before_a_call_goes_on_ends_all():
    def entered(place, number):
        if (place, number) == ("b", 1):
            raise MemoryError("no room")

    step = stepping(entered)
    with pytest.raises(MemoryError, match="no room"):
        step.run([lambda: walk(step, "ab", 0)] * 3)


def test_a_place_in_another_thread_is_refused():
    def work():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(step.arrive, "a").result()

    step = stepping()
    with pytest.raises(Entangled, match="threads of its own"):
        step.run([work])


def test_a_call_that_waits_for_another_one_ends_all(monkeypatch):
    monkeypatch.setattr(lock_step, "LOOK", 0.01)
    monkeypatch.setattr(lock_step, "SILENCE", 0.1)
    lock = threading.Lock()

    def work():
        with lock:
            step.arrive("a")

    step = stepping()
    with pytest.raises(Entangled, match="a pass waits for a lock"):
        step.run([work] * 2)
    assert not lock.locked()


def test_a_call_that_computes_for_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(lock_step, "LOOK", 0.01)
    monkeypatch.setattr(lock_step, "SILENCE", 0.0)
    times = iter(range(1_000_000))
    monkeypatch.setattr(lock_step, "_processor_time", lambda thread: str(next(times)))

    def work():
        time.sleep(0.1)
        return 1

    assert stepping().run([work]) == [1]
    assert next(times) > 2


def test_the_system_says_how_long_a_thread_has_computed():
    here = threading.current_thread()
    if lock_step._processor_time(here) is None:
        pytest.skip("it does not")
    before = lock_step._processor_time(here)
    while time.thread_time() < 0.05 or lock_step._processor_time(here) == before:
        sum(range(1000))


VARIABLE = contextvars.ContextVar("variable", default=0)


def test_a_call_has_the_modes_of_who_runs_it():
    def seen():
        step.arrive("a")
        here = modes_here()
        return here, VARIABLE.get(), torch.zeros(()).device.type, torch.zeros(()).is_inference()

    step = stepping()
    VARIABLE.set(3)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
        step = stepping()
        (found, value, device, inference), _ = step.run([seen, seen])
        assert found == modes_here()
    assert (found.gradients, value, device, inference) == (False, 3, "meta", False)
    assert found.autocast[0] == ("cpu", True, torch.bfloat16)
    with torch.inference_mode():
        step = stepping()
        assert step.run([seen])[0][3]


def test_what_a_call_sets_of_a_thread_or_of_the_process_is_its_own():
    cuda = torch.backends.cuda

    def work(k):
        step.arrive("a")
        before = torch.get_default_dtype(), torch.is_grad_enabled(), cuda.math_sdp_enabled()
        if k == 1:
            return before
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        cuda.enable_math_sdp(False)
        step.arrive("b")
        return torch.get_default_dtype(), torch.is_grad_enabled(), cuda.math_sdp_enabled()

    assert cuda.math_sdp_enabled()
    step = stepping()
    # The one that changes nothing comes first, last and in between.
    changed, same = (torch.float64, False, False), (torch.float32, True, True)
    assert step.run([lambda k=k: work(k) for k in (1, 0, 1, 0, 1)]) == [same, changed, same, changed, same]
    assert (torch.get_default_dtype(), torch.is_grad_enabled(), cuda.math_sdp_enabled()) == same
