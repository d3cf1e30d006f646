"""Several processes compute one landscape: to the bit what one computes, whatever happens to them."""

import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch

import stored_runs
from fastscape import Landscape
from fastscape.runs.backing import Backing
from fastscape.runs.preparation import Work
from fastscape.runs.schedules import Blocks, block_size
from fastscape.runs.signals import Stops
from processes import one_of, one_thread, several, torchrun
from ranks import MOST
from stored_runs import COARSE, FINE, PARTS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")


@pytest.fixture(scope="module")
def whole():
    with one_thread():
        return stored_runs.surface(None)


@pytest.mark.parametrize(("processes", "doing"), [(2, "plain"), (4, "plain"), (2, "group"), (2, "store")])
def test_every_process_gets_what_one_computes(tmp_path, whole, processes, doing):
    done = several(tmp_path, doing, processes)
    assert done.returncodes == [0] * processes, done.stderr
    for rank in range(processes):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == whole.loss.tobytes()
        assert np.load(tmp_path / f"error-{rank}.npy").tobytes() == whole.standard_error.tobytes()
    points = [int((tmp_path / f"points-{rank}").read_text()) for rank in range(processes)]
    assert sum(points) == 2 * whole.loss.size
    if doing == "store":
        assert stored_runs.surface(tmp_path / "run.zarr").loss.tobytes() == whole.loss.tobytes()


def test_a_slow_process_gets_fewer_points(tmp_path, whole):
    done = several(tmp_path, "slow", 2)
    assert done.returncodes == [0, 0], done.stderr
    slow, fast = (int((tmp_path / f"points-{rank}").read_text()) for rank in range(2))
    assert fast >= MOST
    assert slow + fast == whole.loss.size
    assert np.load(tmp_path / "loss-0.npy").tobytes() == whole.loss.tobytes()


@pytest.fixture(scope="module")
def restarted(tmp_path_factory):
    """Where torchrun has left what it was to do, twice begun again after a killed process."""
    folder = tmp_path_factory.mktemp("restarted")
    done = torchrun(folder, "dying", "both", restarts=2)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("exitcode: -9") == 2
    assert "forcefully exiting" not in done.stderr  # the other one, which waits for it, is not killed but ends itself
    return folder


def test_after_a_killed_process_torchrun_starts_again_and_stored_points_stay(restarted, whole):
    folder = restarted / "dying"
    for rank in range(2):
        assert np.load(folder / f"loss-{rank}.npy").tobytes() == whole.loss.tobytes()
    points = sum(int((folder / f"points-{rank}").read_text()) for rank in range(2))
    assert points <= 2 * whole.loss.size - 16  # of the first attempt at least two blocks were stored


def test_two_processes_refuse_a_store_of_another_problem(tmp_path):
    store = tmp_path / "run.zarr"
    with one_thread():
        kept = stored_runs.surface(store)
    done = several(tmp_path, "doubled", 2)  # with another loss of the same name
    assert done.returncodes == [1, 1]
    assert "run.zarr has the loss" in done.stderr
    assert "this is another problem" in done.stderr
    assert Landscape.load(store).loss.tobytes() == kept.loss.tobytes()


def test_processes_that_compute_different_things_are_refused(tmp_path):
    done = several(tmp_path, "other", 2)
    assert done.returncodes == [1, 1]
    assert "process 1 of 2 has another seed than process 0; give all the same model, data and settings" in done.stderr
    assert "another process of this landscape has failed: process 1: ValueError" in done.stderr


def test_processes_share_the_points_of_data_in_parts(tmp_path):
    done = several(tmp_path, "stream", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        alone = stored_runs.surface(None, stream_samples=7)
    for rank in range(2):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes()
        assert int((tmp_path / f"points-{rank}").read_text()) == 3 * alone.loss.size / 2


def test_parts_of_data_that_were_stored_by_several_are_not_read_again(restarted):
    folder = restarted / "both"  # one was killed in the second of three parts
    with one_thread():
        alone = stored_runs.surface(None, stream_samples=7)
        stored = stored_runs.surface(folder / "run.zarr", stream_samples=7)  # one process reads what two have written
    assert stored.report["points_before"] == 3 * alone.loss.size
    for rank in range(2):
        assert np.load(folder / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes() == stored.loss.tobytes()
        assert int((folder / f"points-{rank}").read_text()) == 2 * alone.loss.size / 2


def test_all_processes_stop_after_the_same_part_of_the_data(tmp_path):
    done = several(tmp_path, "enough", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        alone, fine = (stored_runs.surface(None, target_standard_error=t, **PARTS) for t in (COARSE, FINE))
        again, further = (
            stored_runs.surface(tmp_path / "run.zarr", target_standard_error=t, **PARTS) for t in (COARSE, FINE)
        )
    size = alone.loss.size
    for rank in range(2):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes() == again.loss.tobytes()
        assert np.load(tmp_path / f"error-{rank}.npy").tobytes() == alone.standard_error.tobytes()
        assert int((tmp_path / f"points-{rank}").read_text()) == 2 * 6 * size / 2
    assert [landscape.report["points_before"] for landscape in (again, further)] == [6 * size, 6 * size]
    assert further.loss.tobytes() == fine.loss.tobytes()


def test_two_processes_refine_together(tmp_path):
    done = several(tmp_path, "refine", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        alone = stored_runs.surface(None, **stored_runs.BASINS)
    assert alone.report["refinement"]["topology"]["rounds"] > 0
    for rank in range(2):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes()
    points = [int((tmp_path / f"points-{rank}").read_text()) for rank in range(2)]
    assert sum(points) == alone.evaluated.sum()
    for rank in range(2):  # all say the same of it
        assert json.loads((tmp_path / f"refinement-{rank}").read_text()) == alone.report["refinement"]


def test_two_processes_share_both_levels_of_samples(tmp_path):
    done = several(tmp_path, "levels", 2)
    assert done.returncodes == [0, 0], done.stderr
    with one_thread():
        alone, again = (stored_runs.surface(store, **stored_runs.LEVELS) for store in (None, tmp_path / "run.zarr"))
    levels = alone.report["refinement"]["levels"]
    assert levels[1]["samples"] == alone.report["samples"] < stored_runs.LEVELS["samples"]
    for rank in range(2):
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == alone.loss.tobytes() == again.loss.tobytes()
        assert json.loads((tmp_path / f"refinement-{rank}").read_text()) == alone.report["refinement"]
    points = [int((tmp_path / f"points-{rank}").read_text()) for rank in range(2)]
    assert min(points) > 0
    assert again.report["points_before"] == levels[1]["points"]


def test_processes_with_different_targets_are_refused(tmp_path):
    done = several(tmp_path, "targets", 2)
    assert done.returncodes == [1, 1]
    assert "process 1 of 2 has another target_standard_error than process 0; give all the same" in done.stderr


def test_a_torchrun_that_keeps_its_store_is_told(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    with pytest.raises(ValueError, match=r"call torch\.distributed\.init_process_group\('gloo'\) before"):
        stored_runs.surface(None)


def two_ranks(**options):
    store = torch.distributed.HashStore()
    return one_of(2, 0, store, **options), one_of(2, 1, store, **options)


def test_ranks_share_gather_and_fail_together(monkeypatch):
    first, second = two_ranks()
    assert first.shared("plan", {"chunk": 3}) == {"chunk": 3}
    assert second.shared("plan") == {"chunk": 3}
    assert [first.claimed(), second.claimed(), first.claimed()] == [0, 1, 2]
    assert [first.finished(5), second.finished(2)] == [5, 7]
    values = torch.tensor([[-0.0], [float("nan")], [float("-inf")], [1e-310]], dtype=torch.float64)
    second._send("sums 1", torch.tensor([0, 3]).numpy().tobytes() + values[[0, 3]].numpy().tobytes())
    mine = torch.full_like(values, torch.nan)
    mine[1:3] = values[1:3]
    whole = first.gathered(mine, torch.tensor([1, 2]))
    assert whole.numpy().tobytes() == values.numpy().tobytes()
    with pytest.raises(KeyError), second:
        raise KeyError("mine")
    with pytest.raises(
        RuntimeError, match=r"another process of this landscape has failed: process 1: KeyError: 'mine'"
    ):
        first.got("nothing", 1)


def test_all_hear_what_each_says():
    said = [[0.1, float("nan"), -0.0], None]
    with ThreadPoolExecutor(2) as pool:
        heard = list(pool.map(lambda ranks: ranks.collected("range", said[ranks.rank]), two_ranks()))
    assert repr(heard) == repr([said, said])


def test_grids_are_gathered_that_are_larger_than_a_value_of_the_store():
    server = torch.distributed.TCPStore("127.0.0.1", 0, 1, is_master=True, wait_for_workers=False)
    stores = [
        torch.distributed.TCPStore("127.0.0.1", server.port, is_master=False, wait_for_workers=False) for _ in "ab"
    ]
    values = torch.randn(1_200_000, 1, dtype=torch.float64)  # 9.6 MB, with their numbers 9.6 MB from each process

    def gathered(rank):
        own = torch.arange(rank, len(values), 2)
        mine = torch.full_like(values, torch.nan)
        mine[own] = values[own]
        return one_of(2, rank, stores[rank]).gathered(mine, own)

    with ThreadPoolExecutor(2) as pool:
        assert all(torch.equal(whole, values) for whole in pool.map(gathered, range(2)))


def test_one_process_may_call_alone(monkeypatch):
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert stored_runs.surface(None, distributed=False).report["processes"] == 1
    with pytest.raises(TypeError, match=r"distributed must be True or False.*, got 'no'"):
        stored_runs.surface(None, distributed="no")


@pytest.mark.filterwarnings("ignore:process 0 of 2 waits for process 1")
@pytest.mark.parametrize(("grace", "ends"), [(0.0, KeyboardInterrupt), (60.0, TimeoutError)])
def test_a_signal_acts_while_others_are_waited_for_but_not_at_once(monkeypatch, grace, ends):
    monkeypatch.setattr("fastscape.runs.signals.GRACE", grace)

    def acts(self, number, frame):
        raise KeyboardInterrupt(number)

    monkeypatch.setattr(Stops, "_passed_on", acts)  # the tests may run in a thread, which signals do not reach
    first, _ = two_ranks(timeout=0.1)
    stops, said = Stops(), []
    later = first.part("round")  # which was made before there was anything to do meanwhile
    first.waiting.meanwhile = partial(stops.act_if_late, lambda: said.append("stopped"))
    with pytest.raises(TimeoutError):
        first.got("nothing", 1)  # no signal has come
    stops._noted(signal.SIGTERM, None)
    with pytest.raises(ends):
        later.got("nothing", 1)
    assert said == ["stopped"] * (ends is KeyboardInterrupt)


def test_blocks_are_few_and_whole_chunks():
    assert block_size(2601, 16) == 16
    assert block_size(481**2, 16) == 64
    assert -(-(10**9) // block_size(10**9, 7)) <= 4096
    assert block_size(10**9, 7) % 7 == 0


def test_a_plan_that_is_looked_for_leaves_every_process_a_few_chunks(monkeypatch):
    first = one_of(8, 0, torch.distributed.HashStore())
    monkeypatch.setattr("fastscape.runs.backing.joined", lambda timeout: nullcontext(first))
    planned = []

    def stop(*arguments):
        planned.extend(one.plan for one in arguments if isinstance(one, Work))
        raise KeyboardInterrupt

    monkeypatch.setattr("fastscape.runs.run.schedule_of", stop)
    with pytest.raises(KeyboardInterrupt):
        stored_runs.surface(None, plan="auto")
    assert [plan.chunk for plan in planned] == [144 // 8 // 5]


def test_the_leader_keeps_what_it_has_planned_with():
    first, second = two_ranks()
    schedules = [Blocks(10, 1, size=4, backing=Backing(ranks=ranks)) for ranks in (first, second)]
    claims = schedules[0].claims(5), schedules[1].claims(0)
    assert [next(claims[0]).number, next(claims[1]).number, next(claims[0]).number] == [0, 2, 1]
    assert [list(each) for each in claims] == [[], []]
