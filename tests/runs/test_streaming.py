"""Data that come in parts: read once, evaluated at every point, with the values of data that are in memory."""

import json
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import fastscape
import stored_runs
from cases import FAMILIES
from fastscape import Landscape, Plan
from fastscape.engine import Engine
from fastscape.model.data import parts_of
from stored_runs import SIDE, answered, started, surface
from tolerance import assert_close

CPU = torch.device("cpu")
GRID = {"x": (-1, 1, 5), "y": (-0.5, 1, 4), "progress": False}
INPUTS, TARGETS = torch.randn(23, 6), torch.randint(3, (23,))
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


def model():
    return nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 3))


class Counting(Dataset):
    def __init__(self):
        self.read = [0] * len(INPUTS)

    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, index):
        self.read[index] += 1
        return INPUTS[index], TARGETS[index]


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(INPUTS, TARGETS, strict=True))


SOURCES = {
    "tensors": lambda: (INPUTS, TARGETS),
    "dataset": Counting,
    "loader": lambda: DataLoader(Counting(), batch_size=5),
    "endless kind": lambda: DataLoader(Stream(), batch_size=4),
    "generator": lambda: ((INPUTS[i : i + 9], TARGETS[i : i + 9]) for i in range(0, 23, 9)),
    "dictionaries": lambda: [({"input": INPUTS[i : i + 6]}, TARGETS[i : i + 6]) for i in range(0, 23, 6)],
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("size", [1, 7, 22, 23, 100])
def test_parts_change_no_value(source, size):
    net = model()
    options = {"metrics": {"accuracy": fastscape.accuracy}, "precision": "float64", "plan": Plan("loop", 3, 4), **GRID}
    whole = fastscape.surface(net, SOURCES[source](), **options)
    parts = fastscape.surface(net, SOURCES[source](), stream_samples=size, **options)
    assert_close(parts.loss, whole.loss, 1e-12)
    assert_close(parts.metrics["accuracy"], whole.metrics["accuracy"], 1e-12)
    assert_close(parts.standard_error, whole.standard_error, 1e-9)
    assert parts.report["samples"] == 23
    assert parts.report["data_hash"] == whole.report["data_hash"]
    again = parts.reproduce(net, SOURCES[source](), progress=False)
    assert np.array_equal(again.loss, parts.loss)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 6), min_size=1, max_size=6).filter(any), st.integers(1, 9), st.booleans())
def test_parts_hold_every_sample_once_in_order(lengths, size, join):
    numbers = torch.arange(sum(lengths)).split(lengths)
    options = {"device": CPU, "dtype": torch.float32, "join": join}
    parts = list(parts_of([(part, part) for part in numbers], size, **options))
    assert torch.cat([batch.inputs for part in parts for batch in part]).tolist() == list(range(sum(lengths)))
    counts = [sum(batch.samples for batch in part) for part in parts]
    assert min(counts) > 0
    if join:
        assert counts[:-1] == [size] * (len(counts) - 1)
        assert counts[-1] <= size
    else:
        assert {batch.samples for part in parts for batch in part} <= set(lengths)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_of_models_in_parts(name):
    case = FAMILIES[name]()
    plan = Plan("loop", 4, case.microbatch)
    options = {**case.options, "x": (-0.5, 1, 3), "y": (0, 0.5, 2), "progress": False, "plan": plan}
    whole = fastscape.surface(case.model, case.given, precision="float64", **options)
    parts = fastscape.surface(case.model, case.given, precision="float64", stream_samples=3, **options)
    assert_close(parts.loss, whole.loss, 1e-11)


def test_every_sample_is_read_once():
    data = Counting()
    fastscape.surface(model(), data, stream_samples=4, **GRID)
    assert data.read == [1] * len(INPUTS)


@pytest.mark.parametrize(
    "plan",
    [
        Plan("vmap", 4, 5, hoist=True),
        Plan("loop", 4, 5, memory_format="channels_last", workers=2),
        Plan("loop", 4, 5, memory_format="channels_last", compile=True, hoist=True),
    ],
    ids=["hoisted", "workers", "compiled"],
)
def test_every_kind_of_plan_goes_on_with_the_next_part(plan):
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    data = torch.randn(23, 1, 6, 6), TARGETS
    whole = fastscape.surface(net, data, plan=Plan("loop", 4, 5), precision="float64", **GRID)
    parts = fastscape.surface(net, data, plan=plan, stream_samples=10, **GRID)
    assert_close(parts.loss, whole.loss, 1e-5)


def test_a_plan_is_looked_for_once():
    net = model()
    grid = {**GRID, "x": (-1, 1, 40), "y": (-1, 1, 40)}
    parts = fastscape.surface(net, (INPUTS, TARGETS), stream_samples=10, **grid)
    whole = fastscape.surface(net, (INPUTS, TARGETS), precision="float64", **grid)
    assert parts.report["plans_measured"]
    assert_close(parts.loss, whole.loss, 1e-5)


@pytest.mark.filterwarnings("ignore:the values depend on how samples")
def test_dropout_and_augmentation_draw_what_they_draw_from_data_in_memory():
    class Augmented(Counting):
        def __getitem__(self, index):
            return INPUTS[index] + 0.1 * torch.randn(6), TARGETS[index]

    net = nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5), nn.Linear(9, 3))
    options = {"train_mode": True, "plan": Plan("loop", 3, 5), "precision": "float64", **GRID}
    torch.manual_seed(3)
    whole = fastscape.surface(net, DataLoader(Augmented(), batch_size=5), **options)
    parts = fastscape.surface(net, DataLoader(Augmented(), batch_size=5), stream_samples=10, **options)
    assert parts.report["data_hash"] == whole.report["data_hash"]
    assert_close(parts.loss, whole.loss, 1e-12)


@pytest.mark.filterwarnings("ignore:the values depend on how samples")
def test_statistics_of_batches_are_those_of_the_batches_that_come():
    net = nn.Sequential(nn.Linear(6, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 3))
    options = {"batchnorm": "batch", "precision": "float64", **GRID}
    whole = fastscape.surface(net, DataLoader(Counting(), batch_size=6), **options)
    parts = fastscape.surface(net, DataLoader(Counting(), batch_size=6), stream_samples=7, **options)
    assert_close(parts.loss, whole.loss, 1e-12)


def test_a_reduced_precision_says_its_error():
    parts = fastscape.surface(model(), (INPUTS, TARGETS), stream_samples=10, precision="bfloat16", **GRID)
    error = parts.report["precision_error"]
    assert error["points"] == 5
    assert 0 < error["rms"] <= error["largest"] < 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stream_samples": 0}, "stream_samples must be a number of samples of at least 1, or None, got 0"),
        ({"stream_samples": 2.5}, "stream_samples must be .*, got 2.5"),
        (
            {"stream_samples": 4, "batchnorm": "recalibrate"},
            "reads all data at every point, which stream_samples cannot; leave out",
        ),
        ({"stream_samples": 4, "data": []}, r"the data have no samples \(list\); give at least one"),
    ],
)
def test_mistakes_are_said(options, message):
    data = options.pop("data", (INPUTS, TARGETS))
    with pytest.raises(ValueError, match=message):
        fastscape.surface(model(), data, **options, **GRID)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_data_of_which_a_small_part_fits_the_memory():
    samples, allowed = 250, 400  # 1000 MB of samples, parts of 16 MB
    came, _ = answered(stored_runs.run_in_little_memory, None, samples, None, allowed)
    assert isinstance(came, str), "all samples fit into the memory, so the limit shows nothing"
    loss, read = answered(stored_runs.run_in_little_memory, None, samples, 4, allowed)
    assert read == [1] * samples
    inputs = torch.stack([torch.full((3,), float(k % 7)) for k in range(samples)])
    small = fastscape.surface(
        stored_runs.Narrow(), (inputs, torch.arange(samples) % 2), x=(-1, 1, 3), y=(-1, 1, 3), progress=False
    )
    assert not isinstance(loss, str), loss
    assert_close(loss, small.loss, 1e-5)


@POSIX
def test_a_run_over_parts_goes_on_after_the_last_one_that_was_kept(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    store, log = tmp_path / "run.zarr", tmp_path / "log"
    log.touch()
    process = started(stored_runs.run_in_parts, store, log, 0.02, 5)  # four parts
    stored_runs.killed_in_the_third_part(process, log)
    half = Landscape.load(store)
    assert (half.report["progress"]["parts"], half.report["progress"]["samples"]) == (2, 10)
    sums, counted = Engine.sums, []

    def counting(self, points):
        counted.append(len(points))
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", counting)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = surface(store, stream_samples=5)
        assert sum(counted) == 2 * SIDE**2
        whole = surface(None, stream_samples=5)
    finally:
        torch.set_num_threads(threads)
    assert resumed.loss.tobytes() == whole.loss.tobytes()
    assert resumed.standard_error.tobytes() == whole.standard_error.tobytes()
    assert resumed.report["samples"] == 20
    assert Landscape.load(store).loss.tobytes() == whole.loss.tobytes()


def test_other_data_behind_the_first_part_are_refused(tmp_path):
    pytest.importorskip("zarr")
    net, (inputs, targets) = stored_runs.problem()
    store = tmp_path / "run.zarr"
    options = {**GRID, "store": store, "stream_samples": 5, "plan": stored_runs.PLAN}
    fastscape.surface(net, (inputs, targets), **options)
    with pytest.raises(ValueError, match=r"begun with stream 5 \(now 6\)"):
        fastscape.surface(net, (inputs, targets), **options | {"stream_samples": 6})
    changed = inputs.clone()
    changed[7, 0] += 1
    with pytest.raises(ValueError, match=r"part 2 of the data is not that with which .*run\.zarr was begun; give"):
        fastscape.surface(net, (changed, targets), **options)
    header = json.loads((store / "zarr.json").read_text())
    assert header["attributes"]["parts"] == 4
    assert len(F.one_hot(targets)) == header["attributes"]["part_samples"]
