"""A process that never comes or dies is named and given up; one that is at work is waited for, however long."""

import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import stored_runs
from fastscape.engine import Engine
from fastscape.runs.waiting import Waiting
from processes import one_of, one_thread, several

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
NEVER = "which has not come to this call"
DEAD = "which shows no sign of life any more"


def waiting(rank, size=2, timeout=0.6, store=None):
    return Waiting(torch.distributed.HashStore() if store is None else store, rank, size, timeout)


def never():
    return False


def test_who_never_comes_is_named_and_given_up():
    one = waiting(0)
    one.kept = lambda: "12 of 144 points are kept in run.zarr: call the same again to go on"
    begun = time.monotonic()
    with (
        pytest.warns(
            UserWarning, match=f"process 0 of 2 waits for process 1, {NEVER}, for .* gives it up after 0.6 s"
        ),
        pytest.raises(TimeoutError) as caught,
    ):
        one.until(never, 1)
    assert time.monotonic() - begun > 0.6
    said = (
        rf"process 0 of 2 has given up process 1, {NEVER}, after .* s without a sign of it \(timeout=0\.6\); 12 of 144"
    )
    assert re.match(said, str(caught.value))
    assert "call the same again to go on; where a process calls alone, write distributed=False" in str(caught.value)


def test_without_a_store_it_is_said_how_to_keep_what_is_computed():
    with pytest.warns(UserWarning, match=NEVER), pytest.raises(TimeoutError, match="nothing is kept: write store= to"):
        waiting(0).until(never, 1)


def test_who_has_died_is_named_and_given_up():
    store = torch.distributed.HashStore()
    one, other = waiting(0, store=store), waiting(1, store=store)
    other.begin()
    other.end()
    with pytest.warns(UserWarning, match=DEAD), pytest.raises(TimeoutError, match=f"given up process 1, {DEAD}"):
        one.until(never, 1)


@pytest.mark.filterwarnings("ignore:process 0 of 2 waits for process 1")
def test_who_dies_after_long_work_has_the_whole_time():
    store = torch.distributed.HashStore()
    one, other = waiting(0, store=store), waiting(1, store=store)
    other.begin()
    dies, begun = threading.Timer(1.5, other.end), time.monotonic()
    dies.start()
    with pytest.raises(TimeoutError, match=f"given up process 1, {DEAD}"):
        one.until(never, 1)
    dies.join()
    assert time.monotonic() - begun > 1.5 + 0.6


def test_who_is_at_work_is_waited_for(monkeypatch):
    monkeypatch.setattr("fastscape.runs.waiting.SILENCE", 0.1)
    store = torch.distributed.HashStore()
    one, other = waiting(0, timeout=0.8, store=store), waiting(1, timeout=0.8, store=store)
    other.begin()
    done = threading.Event()
    threading.Timer(2.5, done.set).start()
    with pytest.warns(UserWarning, match="process") as caught:
        one.until(done.is_set, 1)
    other.end()
    (said,) = [str(warning.message) for warning in caught]  # and nothing of one that is missing
    assert re.fullmatch(r"process 0 of 2 has waited \d s for process 1, which is at work; it goes on waiting", said)


@pytest.mark.filterwarnings("ignore:process . of 2 waits for process")
def test_two_that_wait_for_each_other_do_not_hang():
    store = torch.distributed.HashStore()
    both, given_up = [waiting(rank, timeout=1.5, store=store) for rank in range(2)], threading.Barrier(2)

    def until(one):
        one.begin()
        try:
            with pytest.raises(
                TimeoutError, match=rf"process {one.rank} .* which waits for process {one.rank} itself"
            ):
                one.until(never, 1 - one.rank)
            given_up.wait(60)  # and shows signs of life until then
        finally:
            one.end()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(until, both))


@pytest.mark.filterwarnings("ignore:process . of 3 waits for process")
def test_all_name_the_one_that_keeps_them_waiting():
    store = torch.distributed.HashStore()
    first, last = waiting(0, 3, 5.0, store), waiting(2, 3, 1.0, store)
    first.begin()
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(first.until, lambda: store.check(["enough"]), 1)
        time.sleep(1.0)  # until the first one has said for whom it waits
        with pytest.raises(TimeoutError, match=f"process 2 of 3 has given up process 1, {NEVER}"):
            last.until(never, 0)
        store.set("enough", "")
        waits.result()
    first.end()


def test_who_has_all_values_keeps_them_when_another_one_does_not_leave():
    one = one_of(2, 0, torch.distributed.HashStore(), timeout=0.6)
    with pytest.warns(UserWarning, match=NEVER) as caught, one:
        pass
    assert f"the landscape is complete here, but process 0 of 2 has given up process 1, {NEVER}" in str(
        caught[-1].message
    )


def test_who_comes_too_late_is_told():
    store = torch.distributed.HashStore()
    one, late = (one_of(2, rank, store, timeout=0.6) for rank in range(2))
    with pytest.warns(UserWarning, match=NEVER), pytest.raises(TimeoutError), one:
        one.all_here("something")
    with pytest.raises(RuntimeError, match="process 0: TimeoutError: process 0 of 2 has given up process 1"), late:
        late.all_here("something")


@pytest.mark.parametrize("doing", ["absent", "dead", "dead in parts"])
def test_what_was_computed_before_a_process_was_given_up_is_kept(tmp_path, doing, monkeypatch):
    done = several(tmp_path, doing, 2)
    assert done.returncodes == [1, -9 if doing.startswith("dead") else 0], done.stderr
    missing = DEAD if doing.startswith("dead") else NEVER
    assert f"UserWarning: process 0 of 2 waits for process 1, {missing}" in done.stderr
    assert re.search(f"TimeoutError: process 0 of 2 has given up process 1, {missing}, after .*run.zarr", done.stderr)
    sums, points = Engine.sums, []

    def counted(self, chunk):
        points.append(len(chunk))
        return sums(self, chunk)

    monkeypatch.setattr(Engine, "sums", counted)
    parts = {"stream_samples": 7} if doing == "dead in parts" else {}
    with one_thread():
        again = stored_runs.surface(tmp_path / "run.zarr", **parts)
        evaluated = sum(points)
        alone = stored_runs.surface(None, **parts)
    assert again.loss.tobytes() == alone.loss.tobytes()
    size = alone.loss.size
    # One that has died may have left a block; of parts all that were finished by both are kept.
    assert evaluated <= {"dead": stored_runs.CHUNK, "dead in parts": 2 * size}.get(doing, 0)


def test_a_block_may_take_longer_than_the_timeout(tmp_path):
    done = several(tmp_path, "long", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        alone = stored_runs.surface(None)
    assert all(np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes() for rank in range(2))
    assert "given up" not in done.stderr
    assert int((tmp_path / "points-1").read_text()) >= stored_runs.CHUNK


def test_a_store_of_torchrun_that_is_not_there(monkeypatch):
    free = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    port = free.port
    del free
    told = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name, value in {**told, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("fastscape.runs.distributed.ONE_REQUEST", (0.2, 10.0))
    with pytest.raises(TimeoutError, match=rf"the store of torchrun at 127\.0\.0\.1:{port} cannot be reached"):
        stored_runs.surface(None, timeout=0.2)


def test_a_group_without_a_store_is_refused(monkeypatch):
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.get_backend", lambda: "mpi")
    monkeypatch.setattr("torch.distributed.distributed_c10d._get_default_store", lambda: None)
    with pytest.raises(ValueError, match=r"the process group of backend 'mpi' has no store .* distributed=False"):
        stored_runs.surface(None)


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (float("nan"), ValueError),
        ("5", TypeError),
        (None, TypeError),
        (True, TypeError),
    ],
)
def test_mistakes_are_said(timeout, error):
    with pytest.raises(error, match=rf"timeout must be a number of seconds( above 0|), got {timeout!r}"):
        stored_runs.surface(None, timeout=timeout)


def test_one_process_alone_waits_for_nobody():
    assert stored_runs.surface(None, timeout=float("inf")).report["processes"] == 1
