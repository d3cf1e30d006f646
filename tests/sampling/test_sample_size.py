"""Data are read until the means are known well enough: how many samples that takes, and which."""

import json
import random
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import fastscape
import stored_runs
from fastscape import Landscape, Plan
from fastscape.engine import Engine
from fastscape.model.shuffling import SEED, shuffled, size_of
from fastscape.sampling.sample_size import Enough, Spread, joint, spread, spread_of_sums
from stored_runs import COARSE, FINE, PARTS, SIDE, started
from tolerance import assert_close

PLAN = Plan("loop", 2, 50)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


class Constant(nn.Module):
    """Gives its only weight for every sample."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, 1))

    def forward(self, inputs):
        return self.weight.expand(len(inputs), 1)


def squared(outputs, targets):
    """At x the mean over the samples is (1 + x)^2 plus that of the targets, and its standard error is theirs."""
    return outputs[:, 0] ** 2 + targets


RANGE = 4.0  # of (1 + x)^2 from -1 to 1
LINE = {
    "x": (-1, 1, 5),
    "scheme": "plane",
    "directions": [torch.ones(1)],
    "loss": squared,
    "precision": "float64",
    "plan": PLAN,
    "progress": False,
}


def noise(samples, deviation=1.0):
    return torch.zeros(samples, 1), deviation * torch.randn(samples, dtype=torch.float64)


def line(data, target, **options):
    return fastscape.line(Constant(), data, target_standard_error=target, **{**LINE, **options})


def order(samples):
    return torch.randperm(samples, generator=torch.Generator().manual_seed(SEED))


@pytest.mark.parametrize(("target", "deviation"), [(0.01, 1.0), (0.02, 1.0), (0.01, 2.0)])
def test_as_many_samples_are_read_as_the_law_of_the_mean_says(target, deviation):
    found = line(noise(5000, deviation), target, stream_samples=20)
    assert found.report["samples"] == pytest.approx((deviation / (target * RANGE)) ** 2, rel=0.2)
    assert found.report["samples"] % 20 == 0
    error = found.report["standard_error"]
    assert error["met"]
    assert (error["target"], error["available"]) == (target, 5000)
    assert error["range"] == pytest.approx(RANGE, rel=1e-9)
    assert 0.9 * target < error["largest"] / RANGE <= target


def test_the_result_is_to_the_bit_that_of_the_samples_it_has_used():
    net, data = nn.Linear(1, 1), (torch.randn(3000, 1), torch.randn(3000))
    options = {**LINE, "directions": [torch.full((1,), 3.0)], "loss": lambda o, t: (o[:, 0] - t) ** 2}
    options["metrics"] = {"off": lambda o, t: (o[:, 0] - t).abs()}
    found = fastscape.line(net, data, target_standard_error=0.06, stream_samples=100, **options)
    used = order(3000)[: found.report["samples"]]
    assert 200 <= len(used) < 3000
    some = data[0][used], data[1][used]
    parts = fastscape.line(net, some, stream_samples=100, **options)
    whole = fastscape.line(net, some, **options)
    for name in found.values:
        assert found.values[name].tobytes() == parts.values[name].tobytes()
        assert_close(found.values[name], whole.values[name], 1e-12)
    assert found.standard_error.tobytes() == parts.standard_error.tobytes()
    assert found.report["data_hash"] == parts.report["data_hash"] == whole.report["data_hash"]
    assert (found.report["order"], parts.report["order"]) == ("random", None)
    assert "target" not in whole.report["standard_error"]


def test_data_that_are_sorted_give_no_other_mean():
    inputs, targets = noise(5000)
    targets = targets.sort().values + 3  # ascending: the first ones are far below the mean
    whole = line((inputs, targets), 0.01).loss
    assert abs(whole - (3 + np.linspace(0, 2, 5) ** 2)).max() < 4 * 0.01 * RANGE
    sets = line(TensorDataset(inputs, targets), 0.01)
    assert sets.loss.tobytes() == whole.tobytes()
    batches = [(inputs[a : a + 100], targets[a : a + 100]) for a in range(0, 5000, 100)]
    assert line(batches, 0.01).loss.max() < 3 + RANGE - 10 * 0.01 * RANGE  # batches come in their own order


def test_the_mean_lies_where_its_error_says():
    inputs, targets = noise(20000)
    off = []
    for _ in range(40):  # other samples each time
        targets = targets[torch.randperm(len(targets))]
        found = line((inputs, targets), 0.02, x=(-1, 1, 2), stream_samples=100)
        off.append(found.loss[0] - targets.mean().item())
    assert 0.7 < np.std(off) / (0.02 * RANGE) < 1.3


class Noted(Dataset):
    """Notes which of its samples are read."""

    def __init__(self, samples):
        self.data, self.read = noise(samples), []

    def __len__(self):
        return len(self.data[0])

    def __getitem__(self, index):
        self.read.append(index)
        return self.data[0][index], self.data[1][index]


def test_of_a_dataset_only_those_samples_are_read_and_no_random_numbers_are_drawn():
    data = Noted(5000)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    found = line(data, 0.02, stream_samples=60)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]  # noqa: NPY002
    used = found.report["samples"]
    assert used <= len(data.read) < used + 64  # a Dataset is read 64 at a time
    assert data.read == order(5000)[: len(data.read)].tolist()
    assert line(data.data, 0.02, stream_samples=60).loss.tobytes() == found.loss.tobytes()


def test_what_comes_in_batches_is_read_in_its_order_and_no_further():
    inputs, targets = noise(5000)
    batches = ((inputs[a : a + 50], targets[a : a + 50]) for a in range(0, 5000, 50))
    found = line(batches, 0.02, stream_samples=75)
    assert found.report["order"] is None
    assert found.report["standard_error"]["available"] is None
    used = found.report["samples"]
    read = -(-used // 50) * 50
    assert torch.equal(next(batches)[1], targets[read : read + 50])  # still open
    whole = line((inputs[:used], targets[:used]), None)
    assert_close(found.loss, whole.loss, 1e-12)
    data = Noted(5000)
    loaded = line(DataLoader(data, batch_size=50), 0.02, stream_samples=75)
    assert data.read == list(range(-(-loaded.report["samples"] // 50) * 50))
    assert loaded.report["standard_error"]["available"] == 5000


def test_data_that_do_not_suffice_are_read_to_their_end():
    inputs, targets = noise(500)
    found = line((inputs, targets), 0.001)
    assert found.report["samples"] == found.report["standard_error"]["available"] == 500
    assert not found.report["standard_error"]["met"]
    assert found.report["standard_error"]["largest"] > 0.001 * found.report["standard_error"]["range"]
    assert_close(found.loss, line((inputs, targets), None).loss, 1e-12)
    few = line(noise(60, deviation=0.01), 0.01)  # too few to stop at, and good enough
    assert few.report["samples"] == 60
    assert few.report["standard_error"]["met"]
    one = line(noise(1), 0.01)
    assert one.report["standard_error"] == {
        "median": None, "largest": None, "target": 0.01, "met": False, "range": None, "available": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("stream", "used"), [(30, 120), (200, 400), (None, 512)])
def test_two_parts_and_a_hundred_samples_are_the_least(stream, used):
    found = line(noise(5000, deviation=1e-6), 0.5, stream_samples=stream)
    assert found.report["samples"] == used
    assert found.report["stream"] == (stream or 256)


def broken(values):
    """The loss is not finite from the middle of the line on, where it would need more samples than elsewhere."""

    def loss(outputs, targets):
        found = squared(outputs, targets)
        return torch.where(outputs[:, 0] > 1.2, torch.tensor(values)[torch.arange(len(found)) % len(values)], found)

    return loss


@pytest.mark.parametrize("values", [[np.nan], [np.inf], [1.0, np.nan], [np.inf, -np.inf]])
def test_points_without_a_finite_loss_do_not_count(values):
    data = noise(5000)
    found = line(data, 0.03, loss=broken(values), stream_samples=50)
    assert np.isfinite(found.loss).tolist() == [True, True, True, False, False]
    finite = line(data, 0.03, x=(-1, 0, 3), stream_samples=50)
    assert found.report["samples"] == finite.report["samples"] < 5000
    assert found.report["standard_error"]["range"] == finite.report["standard_error"]["range"]


@pytest.mark.filterwarnings("ignore:the loss at the model itself is nan")
@pytest.mark.filterwarnings("ignore:the loss is the same at every point")
def test_where_nothing_is_finite_or_all_is_the_same_all_are_read():
    def same(outputs, targets):
        return targets

    nowhere = line(noise(600), 0.5, loss=lambda outputs, targets: torch.full_like(targets, torch.nan))
    assert nowhere.report["samples"] == 600
    assert nowhere.report["standard_error"]["range"] is nowhere.report["standard_error"]["median"] is None
    assert not nowhere.report["standard_error"]["met"]
    flat = line(noise(600), 0.5, loss=same)
    assert flat.report["samples"] == 600
    assert flat.report["standard_error"]["range"] == 0
    assert not flat.report["standard_error"]["met"]
    exact = line((torch.zeros(600, 1), torch.ones(600)), 0.5, loss=same)
    assert exact.report["samples"] == 512  # without any error even a range of 0 is enough
    assert exact.report["standard_error"]["met"]


def test_statistics_of_batches_are_those_of_batches_of_a_dataset_in_random_order():
    net = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    inputs, targets = torch.randn(2000, 1), 0.1 * torch.randn(2000)
    options = {"batchnorm": "batch", "loss": squared, "x": (-1, 1, 3), "plan": PLAN, "progress": False}
    found = fastscape.line(
        net, TensorDataset(inputs, targets), target_standard_error=0.2, stream_samples=64, **options
    )
    used = found.report["samples"]
    assert 128 <= used < 2000
    those = [(inputs[part], targets[part]) for part in order(2000)[:used].split(64)]
    assert fastscape.line(net, those, stream_samples=64, **options).loss.tobytes() == found.loss.tobytes()


def test_what_decides():
    nothing = np.array([np.nan, np.inf])
    assert spread(nothing, nothing) is None
    assert spread(np.array([3.0, np.nan, -1.0]), np.array([0.1, 9.0, 0.2])) == Spread(0.2, -1.0, 3.0)
    assert spread(np.array([3.0, 1.0]), np.array([0.1, np.inf])).error == np.inf  # never enough
    losses = np.array([[1.0, 2.0, 4.0], [5.0, 5.0, 5.0]])
    sums = np.stack([losses.sum(1), (losses**2).sum(1)], axis=1)
    assert spread_of_sums(sums, 3, 1).error == pytest.approx(losses[0].std(ddof=1) / 3**0.5)
    assert spread_of_sums(sums, 1, 1) is None
    assert joint([None, None]) is None
    aim = Enough(0.1)
    assert [aim.possible(*counts) for counts in [(1, 1000), (2, 99), (2, 100)]] == [False, False, True]
    assert [aim.met(found) for found in [None, Spread(0.4, 1, 5), Spread(0.41, 1, 5)]] == [False, True, False]
    assert Enough(0.1, exactly=7).possible(1, 7)
    assert Enough(0.1, exactly=7).reached(None)


def test_the_order_of_what_can_be_indexed():
    numbers = torch.arange(100)
    wanted = order(100).tolist()
    for data in [(numbers, numbers), (numbers.numpy(), numbers.numpy()), TensorDataset(numbers, numbers), numbers]:
        found = shuffled(data, 30)
        assert torch.cat([batch[1] for batch in found]).tolist() == wanted
    found = shuffled(({"a": numbers, "b": numbers[:, None]}, numbers), 30)
    assert torch.cat([inputs["b"][:, 0] for inputs, _ in found]).tolist() == wanted
    found = shuffled({"a": numbers}, 30, pairs=False)
    assert torch.cat([batch["a"] for batch in found]).tolist() == wanted


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield 1


@pytest.mark.parametrize(
    "data",
    [
        [(torch.zeros(3), torch.zeros(3))],
        Endless(),
        DataLoader(TensorDataset(torch.zeros(3)), batch_size=2),
        (torch.zeros(0, 2), torch.zeros(0)),
        (torch.zeros(3), {"lengths differ": torch.zeros(4)}),
    ],
    ids=["list", "iterable", "loader", "nothing", "whole"],
)
def test_what_has_an_order_of_its_own_keeps_it(data):
    assert shuffled(data, 2) is data
    pair = torch.zeros(5), torch.zeros(5)
    with pytest.raises(ValueError, match="give a Dataset, a DataLoader or a list of batches"):
        shuffled(pair, 2, join=False)


def test_how_many_samples_there_are():
    pair = torch.zeros(7, 2), torch.zeros(7)
    data = TensorDataset(*pair)
    assert size_of(pair) == size_of(data) == size_of(pair[0]) == size_of({"a": pair[0]}, pairs=False) == 7
    loaders = [DataLoader(data, 2), DataLoader(data, 2, shuffle=True), DataLoader(data, 2, drop_last=True)]
    assert [size_of(loader) for loader in loaders] == [7, 7, 6]
    assert size_of(DataLoader(data, batch_sampler=[[0, 1]])) is None
    assert size_of(DataLoader(Endless(), 2)) is size_of(Endless()) is size_of([pair]) is size_of(iter([pair])) is None


ONE_A_BATCH = r".*<lambda> gives one value for a batch, which may be no plain mean over its samples; "


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"target_standard_error": 0},
            ValueError,
            r"target_standard_error must be a fraction of the range, above.*, got 0",
        ),
        ({"target_standard_error": -0.1}, ValueError, r"target_standard_error must be .*, got -0\.1"),
        ({"target_standard_error": 1}, ValueError, "target_standard_error must be .*, got 1"),
        ({"target_standard_error": float("nan")}, ValueError, "target_standard_error must be .*, got nan"),
        (
            {"target_standard_error": True},
            TypeError,
            "target_standard_error must be a number.*, got True",
        ),
        ({"target_standard_error": "0.1"}, TypeError, "target_standard_error must be .*, got '0.1'"),
        ({"batchnorm": "recalibrate"}, ValueError, "standard_error no more than are needed; leave out one of them"),
        (
            {"batchnorm": "batch"},
            ValueError,
            "as one batch, of which target_standard_error cannot leave out a part; give a",
        ),
        ({"tolerance": 0.1, "stream_samples": 50}, ValueError, "stream_samples reads in parts; leave out one"),
        (
            {"loss": lambda o, t: F.cross_entropy(o, t)},
            ValueError,
            f"needs the losses of single samples, and the loss {ONE_A_BATCH}write for example loss="
            "lambda output, target: F.cross_entropy",
        ),
        (
            {"objective": lambda call, batch: call(batch[0]).mean()},
            ValueError,
            f"the objective {ONE_A_BATCH}let it return one value a sample",
        ),
    ],
)
def test_mistakes_are_said(options, error, message):
    data = torch.randn(300, 4), torch.randint(3, (300,))
    wanted = {"target_standard_error": 0.1, "x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, **options}
    with pytest.raises(error, match=message):
        fastscape.surface(nn.Linear(4, 3), data, **wanted)
    if "tolerance" not in options:
        wanted.pop("y")
        with pytest.raises(error, match=message):
            fastscape.line(nn.Linear(4, 3), data, **wanted)


def test_a_refused_loss_begins_no_store(tmp_path):
    pytest.importorskip("zarr")
    data = torch.randn(300, 4), torch.randint(3, (300,))
    options = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, "loss": lambda o, t: F.cross_entropy(o, t)}
    with pytest.raises(ValueError, match="single samples"):
        fastscape.surface(nn.Linear(4, 3), data, target_standard_error=0.1, store=tmp_path / "run.zarr", **options)
    assert not (tmp_path / "run.zarr" / "sums").exists()


def test_a_landscape_is_reproduced_with_the_same_samples(tmp_path, monkeypatch):
    net, data = stored_runs.problem(2000)
    grid = {"x": (-1, 1, 4), "y": (-1, 1, 3), "progress": False, "plan": PLAN}
    made = fastscape.surface(net, data, target_standard_error=0.09, **grid)
    assert 512 <= made.report["samples"] < 2000
    loaded = Landscape.load(made.save(tmp_path / "landscape.npz"))
    monkeypatch.setattr(Enough, "met", lambda self, found: False)  # as where rounding decides otherwise
    again = loaded.reproduce(net, data, progress=False)
    assert again.loss.tobytes() == made.loss.tobytes()
    assert again.report["samples"] == made.report["samples"]
    monkeypatch.undo()
    again = loaded.reproduce(net, data, progress=False)
    assert again.report["standard_error"] == loaded.report["standard_error"]
    for others in [(data[0].flip(0), data[1]), (data[0][:1999], data[1][:1999])]:
        with pytest.raises(
            ValueError, match="the data are others, or in another order, than the landscape's: data_hash must be"
        ):
            loaded.reproduce(net, others, progress=False)


@pytest.fixture
def counted(monkeypatch):
    """How many points are evaluated, in one thread as in the processes of these tests."""
    sums, found = Engine.sums, []

    def counting(self, points):
        found.append(len(points))
        return sums(self, points)

    monkeypatch.setattr(Engine, "sums", counting)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield found
    torch.set_num_threads(threads)


def parts_of(landscape):
    return landscape.report["samples"] // 50


@POSIX
def test_a_run_that_was_killed_goes_on_and_a_smaller_target_reads_further(tmp_path, counted):
    pytest.importorskip("zarr")
    store, log = tmp_path / "run.zarr", tmp_path / "log"
    log.touch()
    coarse, fine = (stored_runs.surface(None, target_standard_error=target, **PARTS) for target in (COARSE, FINE))
    assert (parts_of(coarse), parts_of(fine)) == (6, 9)  # of 16
    options = {name: PARTS[name] for name in ("samples", "plan")}
    process = started(stored_runs.run_in_parts, store, log, 0.02, 50, target_standard_error=COARSE, **options)
    stored_runs.killed_in_the_third_part(process, log)
    assert Landscape.load(store).report["progress"]["parts"] == 2
    again = [(COARSE, coarse, 2), (COARSE, coarse, 6), (FINE, fine, 6), (0.5, fine, 9)]
    for target, wanted, done in again:
        counted.clear()
        found = stored_runs.surface(store, target_standard_error=target, **PARTS)
        assert sum(counted) == (parts_of(wanted) - done) * SIDE**2
        assert found.loss.tobytes() == wanted.loss.tobytes()
        assert found.standard_error.tobytes() == wanted.standard_error.tobytes()
        assert found.report["data_hash"] == wanted.report["data_hash"]
        assert found.report["standard_error"]["met"]
        assert Landscape.load(store).loss.tobytes() == wanted.loss.tobytes()


def test_of_a_store_that_is_good_enough_no_more_data_are_read(tmp_path):
    pytest.importorskip("zarr")
    data = Noted(5000)
    first = line(data, 0.02, stream_samples=64, store=tmp_path / "run.zarr")
    data.read.clear()
    assert line(data, 0.02, stream_samples=64, store=tmp_path / "run.zarr").loss.tobytes() == first.loss.tobytes()
    assert len(data.read) == first.report["samples"]
    header = json.loads((tmp_path / "run.zarr" / "zarr.json").read_text())["attributes"]
    assert header["part_samples"] == first.report["samples"]


def test_other_samples_than_those_of_a_store_are_refused(tmp_path):
    pytest.importorskip("zarr")
    options = {"stream_samples": 64, "store": tmp_path / "run.zarr"}
    inputs, targets = noise(5000)
    line((inputs, targets), 0.02, **options)
    with pytest.raises(ValueError, match=r"begun with order random \(now None\)"):
        line((inputs, targets), None, **options)
    with pytest.raises(ValueError, match=r"begun with stream 64 \(now 256\)"):
        line((inputs, targets), 0.02, **options | {"stream_samples": None})
    targets[order(5000)[100]] += 1
    with pytest.raises(ValueError, match=r"part 2 of the data is not that with which .*run\.zarr was begun; give"):
        line((inputs, targets), 0.01, **options)
