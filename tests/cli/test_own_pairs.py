"""Several models of one's own on the command line: trajectories, barriers, curves, alignments, and side by side."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import fastscape
from commands import fails, run
from fastscape import Landscape

MINE = """
import torch
from torch import nn


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


model = make_model()


def make_data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 6, generator=generator), torch.randint(3, (40,), generator=generator)


def half(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets) / 2
"""
OWN = "mine:make_model", "--data", "mine:make_data"


def made(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def data():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(40, 6, generator=generator), torch.randint(3, (40,), generator=generator)


def loss_of(model):
    inputs, targets = data()
    with torch.no_grad():
        return nn.functional.cross_entropy(model(inputs), targets).item()


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """The current folder, with a module and the weights of three models; the modules are afterwards as before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("mine.py").write_text(MINE)
    for seed, name in enumerate(("a", "b", "c"), 1):
        state = made(seed).state_dict()
        torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}}, f"{name}.pt")
    yield
    sys.modules.pop("mine", None)


def weights(*names):
    return [part for name in names for part in ("--weights", name)]


@pytest.mark.parametrize("name", ["mine:make_model", "mine:model"])
def test_a_barrier(name):
    said = run("barrier", name, *OWN[1:], *weights("a.pt", "b.pt"), "--points", 5, "--no-pictures")
    found = fastscape.Barrier.load("barrier.json")
    wanted = fastscape.barrier(made(1), made(2), data(), points=5, progress=False)
    assert found.value == pytest.approx(wanted.value, rel=1e-5)
    assert list(found) == ["loss"]
    assert str(found) in said


def test_barriers_of_three_with_a_metric_and_another_loss():
    more = "--points", 3, "--no-pictures", "--metric", "fastscape:accuracy", "--loss", "mine:half"
    run("barrier", *OWN, *weights("a.pt", "b.pt", "c.pt"), *more)
    found = fastscape.Barriers.load("barriers.json")
    assert found.names == ("a", "b", "c")
    assert found.measures == ("loss", "accuracy")
    assert found.between("a", "c").line.loss[-1] == pytest.approx(loss_of(made(3)) / 2, rel=1e-5)


def test_a_curve():
    few = "--points", 5, "--epochs", 2, "--batch-size", 20, "--loss", "mine:half"
    run("connect", *OWN, *weights("a.pt", "b.pt"), *few)
    curve = fastscape.Curve.load("curve.safetensors")
    for end, seed in ((0.0, 1), (1.0, 2)):
        assert all(torch.equal(curve.weights(end)[name], one) for name, one in made(seed).state_dict().items())
    straight, line = (Landscape.load(f"curve-{name}.npz") for name in ("straight", "line"))
    assert straight.loss[0] == pytest.approx(loss_of(made(1)) / 2, rel=1e-5)  # the loss that was written
    assert line.loss[-1] == pytest.approx(loss_of(made(2)) / 2, rel=1e-5)
    assert Path("curve-plane.png").stat().st_size > 1000


def test_an_alignment_writes_a_state_dict():
    run("align", *OWN, *weights("b.pt"), "--to", "a.pt")
    found = fastscape.Alignment.load("aligned.json")
    assert found.distance_after < found.distance_before
    assert found.samples == 40
    aligned = made(0)
    aligned.load_state_dict(load_file("aligned.safetensors"))
    with torch.no_grad():
        torch.testing.assert_close(aligned(data()[0]), made(2)(data()[0]))
    run("barrier", *OWN, *weights("a.pt", "aligned.safetensors"), "--points", 3, "--no-pictures")  # it is of use


def test_a_trajectory_of_files():
    run("trajectory", *OWN, *weights("a.pt", "b.pt", "c.pt"), "--points", 5, "--no-pictures")
    landscape = Landscape.load("trajectory.npz")
    (path,) = landscape.paths
    assert path.loss == pytest.approx([loss_of(made(seed)) for seed in (1, 2, 3)], rel=1e-4)
    assert path.height[-1] == pytest.approx(path.loss[-1], rel=1e-3)  # the model is the last one
    assert landscape.report["refinement"]["tolerance"] == 0.01


def test_trajectories_of_recordings_and_the_last_record_as_weights():
    for folder, seeds in (("one", (1, 2)), ("two", (1, 3))):
        with fastscape.Recorder(folder) as recorder:
            for step, seed in enumerate(seeds):
                recorder.record(made(seed), step)
    run("trajectory", *OWN, *weights("one", "two"), "--points", 5, "--plane", "start-to-end")
    landscape = Landscape.load("trajectory.npz")
    assert [path.name for path in landscape.paths] == ["one", "two"]
    assert landscape.paths[0].loss[-1] == pytest.approx(loss_of(made(2)), rel=1e-4)
    run("line", *OWN, *weights("two"), "--x", 0, 1, 2, "--no-pictures")
    assert Landscape.load("line.npz").loss[0] == pytest.approx(loss_of(made(3)), rel=1e-5)


def test_surfaces_sharpness_and_basins_of_several():
    several = [*OWN, *weights("a.pt", "b.pt"), "--no-pictures"]
    run("surface", *several, "--reach", 0.5, "--points", 3)
    for seed, name in ((1, "a"), (2, "b")):
        found = Landscape.load(f"landscapes/{name}.npz")
        assert found.loss[1, 1] == pytest.approx(loss_of(made(seed)), rel=1e-5)
        assert found.report["common_directions"]["reference"] == "a.pt"
    run("sharpness", *several, "--measures", "random_directions")
    run("basin", *several, "--directions", 2)
    assert fastscape.Sharpness.load("sharpness/b.json").loss == pytest.approx(loss_of(made(2)), rel=1e-5)
    assert fastscape.BasinRadius.load("basin/b.json").score == pytest.approx(loss_of(made(2)), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("line", *OWN, *weights("a.pt", "b.pt")), "--weights must come at most 1 times here, got 2"),
        (("barrier", *OWN, *weights("a.pt")), "must have two models or more, got 1; write for example --weights a.pt"),
        (("connect", *OWN, *weights("a.pt", "b.pt", "c.pt")), "a curve must have two models, got 3"),
        (("barrier", *OWN, *weights("a.pt", "a.pt")), "the models must be different files, got "),
        (("trajectory", *OWN), "--weights must be the checkpoints of a training, or folders of a Recorder, got none"),
        (("trajectory", *OWN, *weights("a.pt", ".")), "or folders of a Recorder, got both"),
        (("align", *OWN, *weights("a.pt")), "--to must be the reference model, got nothing"),
        (
            ("align", *OWN, *weights("a.pt"), "--to", "d.pt"),
            "--to must be a state dict from torch.save or safetensors",
        ),
        (("barrier", "mine:make_model", *weights("a.pt", "b.pt")), "mine:make_model needs --data"),
    ],
)
def test_mistakes(arguments, message, capsys, monkeypatch):
    assert message in fails(capsys, monkeypatch, *arguments)


def test_files_of_torch_before_1_6(capsys, monkeypatch):
    torch.save(made(1).state_dict(), "old.pt", _use_new_zipfile_serialization=False)
    error = fails(capsys, monkeypatch, "line", *OWN, *weights("old.pt"))
    assert "got 'old.pt' in the older form; load and save it again: torch.save(torch.load(file, weights_only=" in error
    assert "mmap" not in error
    said = fails(capsys, monkeypatch, "surface", "old.pt")
    assert "must be a checkpoint from `fastscape train` or the name of your own, got old.pt" in said
    with pytest.raises(ValueError, match="in the older form; load and save it again"):
        fastscape.barrier(made(1), "old.pt", data(), progress=False)
