"""Trainings of curves that are killed go on and end with the same bits; others are refused; files of curves."""

import random
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from valleys import interrupted, kept, killed_after, pair, slowly

import fastscape
from fastscape.paths import CURVE, Keeping, Moving
from fastscape.paths.keeping import TRAINING
from stored_runs import CONTEXT, started

QUICK = {"progress": False}


def same(one, other):
    assert one.points.keys() == other.points.keys()
    assert all(torch.equal(one.points[name], other.points[name]) for name in one.points)
    assert all(torch.equal(one.still[name], other.still[name]) for name in one.still)
    assert np.array_equal(one.losses, other.losses)


@pytest.mark.parametrize("curve", ["bezier", "band"])
def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(curve, tmp_path):
    folder, drawn = tmp_path / "curve", random.Random(curve)
    for _ in range(3):
        process = started(killed_after, folder, curve, drawn.randint(2, 12))
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        assert (folder / TRAINING).exists()
        assert not (folder / CURVE).exists()
    begun = torch.load(folder / TRAINING, weights_only=True)["step"]
    assert begun > 3
    ended = kept(folder, curve)
    same(ended, kept(None, curve))
    same(fastscape.Curve.load(folder / CURVE), ended)


def test_a_training_that_is_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    folder, drawn = tmp_path / "curve", random.Random(0)
    for _ in range(3):
        process = started(slowly, folder, "bezier")
        ended = time.monotonic() + 60
        while not (folder / TRAINING).exists():
            assert time.monotonic() < ended
            time.sleep(0.005)
        time.sleep(drawn.uniform(0.05, 0.2))
        process.kill()
        process.join(60)
    assert not (folder / CURVE).exists()
    same(kept(folder), kept(None))


def test_control_c_leaves_the_step_that_was_taken_last(tmp_path):
    here, there = CONTEXT.Pipe()
    process = started(interrupted, tmp_path / "curve", there)
    assert here.poll(60)
    assert here.recv() == 17
    process.join(60)
    assert torch.load(tmp_path / "curve" / TRAINING, weights_only=True)["step"] == 17
    same(kept(tmp_path / "curve"), kept(None))


def test_a_training_that_was_ended_is_not_done_again(tmp_path, monkeypatch):
    first = kept(tmp_path / "curve")
    monkeypatch.setattr("fastscape.runs.connecting.stepped", None)
    same(kept(tmp_path / "curve"), first)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bends": 3}, "a training with bends = 2, and now it is 3"),
        ({"epochs": 13}, "a training with steps = 60, and now it is 65"),
        ({"seed": 4}, "a training with seed = 3, and now it is 4"),
        ({"optimizer": lambda p: torch.optim.Adam(p, lr=1e-3)}, "a training with lr of the optimizer = 0.02, and now"),
        (
            {"optimizer": lambda p: torch.optim.SGD(p, lr=0.02)},
            "training with optimizer = 'Adam', and now it is 'SGD'",
        ),
        ({"perturb": "states"}, "a training with other_hash = "),
        ({"curve": "polygon"}, "a training with curve = 'bezier', and now it is 'polygon'"),
    ],
)
def test_other_settings_are_refused(options, said, tmp_path):
    kept(tmp_path / "curve")
    with pytest.raises(ValueError, match=said):
        kept(tmp_path / "curve", **options)


def test_other_models_data_and_losses_are_refused(tmp_path):
    a, b, data = pair()

    def again(one=a, other=b, of=data, **options):
        return fastscape.connect(one, other, of, steps=4, store=tmp_path / "curve", **QUICK, **options)

    again()
    with pytest.raises(ValueError, match="a training with weights_hash = "):
        again(b, a)
    with pytest.raises(ValueError, match="a training with other_hash = "):
        again(a, pair(seed=1)[1])
    with pytest.raises(ValueError, match="a training with data_hash = "):
        again(of=(data[0] + 1, data[1]))

    def loss(outputs, targets):
        return scale * nn.functional.cross_entropy(outputs, targets)

    scale, folder = 1.0, {"store": tmp_path / "own", "steps": 4, "loss": loss, **QUICK}
    fastscape.connect(a, b, data, **folder)
    scale = 2.0
    with pytest.raises(ValueError, match=r"the loss of the first model was .*: the loss, the objective or the code"):
        fastscape.connect(a, b, data, **folder)


@pytest.mark.parametrize(
    ("name", "first", "then"),
    [
        (
            "betas of the optimizer",
            lambda p: torch.optim.Adam(p, betas=(0.9, 0.99)),
            lambda p: torch.optim.Adam(p, betas=(0.1, 0.5)),
        ),
        (
            "gamma of the scheduler",
            lambda o, _: torch.optim.lr_scheduler.ExponentialLR(o, 0.99),
            lambda o, _: torch.optim.lr_scheduler.ExponentialLR(o, 0.5),
        ),
    ],
)
def test_settings_within_an_optimizer_or_scheduler_are_those_of_another_training(name, first, then, tmp_path):
    a, b, data = pair()
    options = {"steps": 4, "store": tmp_path / "curve", **QUICK}
    kind = name.split()[-1]
    fastscape.connect(a, b, data, **options, **{kind: first})
    with pytest.raises(ValueError, match=f"a training with {name} = "):
        fastscape.connect(a, b, data, **options, **{kind: then})


def test_a_damaged_state_is_refused(tmp_path):
    kept(tmp_path / "curve")
    path = tmp_path / "curve" / TRAINING
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"nothing"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"training\.pt cannot be read \(.*\); give another store"):
            kept(tmp_path / "curve")
    torch.save({"format": "another", "version": 1}, path)
    with pytest.raises(ValueError, match="it has the format 'another', version 1"):
        kept(tmp_path / "curve")


class Unreadable(torch.optim.SGD):
    """An optimizer whose state holds what no file can without code."""

    def state_dict(self):
        return {**super().state_dict(), "odd": Unreadable}


def test_a_state_that_could_not_be_read_again_is_refused_at_the_beginning(tmp_path):
    with pytest.raises(
        TypeError, match="with a store the state of the optimizer and of its scheduler must be tensors"
    ):
        kept(tmp_path / "curve", optimizer=lambda p: Unreadable(p, lr=0.1))


def test_the_state_is_written_now_and_then(monkeypatch, tmp_path):
    times = iter([0.0, 0.5, 10.0, 24.0, 26.0])
    monkeypatch.setattr("fastscape.paths.keeping.time", SimpleNamespace(monotonic=lambda: next(times)))
    keeping = Keeping(tmp_path / "x", {}, 1.0)
    bends = nn.Parameter(torch.zeros(1, 2))
    optimizer = torch.optim.SGD([bends], lr=1.0)
    moving = Moving(bends, optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer), [])
    keeping.keep(moving, 0)  # takes half a second: the next one in 25
    assert [keeping.due() for _ in range(3)] == [False, False, True]


def test_a_curve_is_read_again_bit_for_bit(tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.turn = nn.Parameter(torch.randn(4, dtype=torch.complex64))
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight
            self.register_buffer("shift", torch.arange(4))
            self.register_buffer("hidden", torch.ones(4), persistent=False)

        def forward(self, x):
            return self.second(self.first(x + self.shift * self.hidden) * self.turn.real)

    torch.manual_seed(0)
    a, b = Odd(), Odd()
    data = torch.randn(20, 4), torch.randint(4, (20,))
    made = fastscape.connect(a, b, data, steps=3, bends=2, **QUICK)
    assert made.weights(0.5).keys() == a.state_dict().keys()
    read = fastscape.Curve.load(made.save(tmp_path / "new" / "curve.safetensors"))
    same(made, read)
    assert (read.shape, read.bends, read.length) == (made.shape, made.bends, made.length)
    assert dict(read.report) == dict(made.report)
    assert read.names == made.names
    for name, tensor in made.weights(0.37).items():
        assert torch.equal(read.weights(0.37)[name], tensor)
    with pytest.raises(ValueError, match=r"a curve from a file knows no module; write curve\.model_at\(t, model\)"):
        read.model_at(0.5)
    assert torch.equal(read.model_at(0.5, a).turn, made.model_at(0.5).turn)
    with pytest.raises(ValueError, match=r"Linear has no hidden, shift, .* of these shapes"):
        read.model_at(0.5, nn.Linear(2, 2))
    alone = fastscape.Curve.load(made.save(tmp_path / "alone.safetensors", still=False))
    assert alone.weights(0.5).keys() == {name for name in a.state_dict() if name != "shift"}
    assert torch.equal(alone.model_at(0.5, a).second.bias, made.model_at(0.5).second.bias)
    x = np.linspace(0, 1, 4)
    of_read = fastscape.line(a, data, along=read, x=x, **QUICK)
    assert np.array_equal(of_read.loss, fastscape.line(a, data, along=made, x=x, **QUICK).loss)


def test_broken_files_are_no_curves(tmp_path):
    from safetensors.torch import save_file

    a, b, data = pair()
    path = fastscape.connect(a, b, data, steps=1, **QUICK).save(tmp_path / "curve.safetensors")
    whole = path.read_bytes()
    for broken in (whole[:100], whole[:-5], b""):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"curve\.safetensors is no curve"):
            fastscape.Curve.load(path)
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="it does not name itself one"):
        fastscape.Curve.load(path)
    save_file({"weight": torch.ones(2)}, path, {"format": "fastscape-curve", "version": "2"})
    with pytest.raises(ValueError, match="it has version '2', and this package reads version 1"):
        fastscape.Curve.load(path)
    with pytest.raises(ValueError, match=r"the name of a curve's file must end in \.safetensors, got 'curve\.pt'"):
        fastscape.connect(a, b, data, steps=1, **QUICK).save(tmp_path / "curve.pt")
    with pytest.raises(OSError, match="none"):
        fastscape.Curve.load(tmp_path / "none.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.safetensors"]
