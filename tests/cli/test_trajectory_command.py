"""The commands that record a training and draw its path."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from commands import fails, run
from fastscape import Landscape
from fastscape.weights import Recording
from fastscape.zoo import datasets, models, training
from fastscape.zoo.checkpoints import load_checkpoint


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for name, seed in {"first": 0, "second": 1}.items():
            options = ["--epochs", 2, "--seed", seed, "--record", folder / name, "--record-every", 2]
            said = run("train", "mlp", "digits", *options, "--out", folder / f"{name}.safetensors")
            assert f"{folder / name}: 4 records; draw their path with fastscape trajectory" in said
    return folder


def test_train_records_its_steps_the_last_one_and_what_it_is(recorded):
    recording = Recording(recorded / "first")
    assert recording.steps.tolist() == [0, 2, 4, 6]
    assert recording.measures["epoch"].tolist() == [0, 2 / 3, 4 / 3, 2]
    network, facts = load_checkpoint(recorded / "first.safetensors")
    assert load_checkpoint(recorded / "first" / "model.safetensors")[1] == facts
    last = recording.tensors(3)
    assert all(torch.equal(last[name], tensor) for name, tensor in network.named_parameters())


def test_a_step_is_told_after_it_was_made():
    seen = []
    network, data = models.build("mlp", seed=0), TensorDataset(*datasets.load("digits")[:10])
    before = [parameter.detach().clone() for parameter in network.parameters()]
    training.train(network, data, epochs=2, batch_size=4, progress=lambda step: seen.append((step, network.training)))
    assert [(s.step, round(s.epoch, 3)) for s, _ in seen] == [
        (1, 0.333), (2, 0.667), (3, 1.0), (4, 1.333), (5, 1.667), (6, 2.0)
    ]  # fmt: skip
    assert all(trains and s.loss > 0 for s, trains in seen)
    assert any((a != b).any() for a, b in zip(before, network.parameters(), strict=True))


def test_the_path_of_one_training(recorded, tmp_path):
    out = tmp_path / "new" / "path.npz"
    said = run("trajectory", recorded / "first", "--out", out, "--samples", 40, "--points", 9)
    landscape = Landscape.load(out)
    (path,) = landscape.paths
    assert landscape.shape == (9, 9)
    assert path.steps.tolist() == [0, 2, 4, 6]
    assert np.isfinite(path.loss).all()
    assert np.isfinite(path.height).all()
    assert path.loss[0] > path.loss[-1]
    assert abs(path.loss[-1] - path.height[-1]) < 1e-4  # the model of the checkpoint is at the end
    assert list(landscape.metrics) == ["accuracy"]
    for file in ("path-contour.png", "path-surface.png", "path.html"):
        assert str(out.with_name(file)) in said
        assert out.with_name(file).stat().st_size > 1000


def test_two_trainings_on_one_plane_and_another_plane(recorded, tmp_path):
    folders = [recorded / "first", recorded / "second"]
    few = ["--samples", 20, "--points", 5, "--no-pictures"]
    run("trajectory", *folders, *few, "--out", tmp_path / "two.npz", "--center", "mean", "--evaluated", 2)
    both = Landscape.load(tmp_path / "two.npz")
    assert [path.name for path in both.paths] == ["first", "second"]
    assert [int(np.isfinite(path.loss).sum()) for path in both.paths] == [2, 2]
    assert both.report["plane"]["center"] == "mean"
    run("trajectory", folders[0], *few, "--out", tmp_path / "ends.npz", "--plane", "start-to-end")
    assert Landscape.load(tmp_path / "ends.npz").labels["x"] == "from the end to the start (distance)"
    assert not list(tmp_path.glob("*.png"))


def test_what_cannot_be_drawn(recorded, tmp_path, capsys, monkeypatch):
    assert "without model.safetensors" in fails(capsys, monkeypatch, "trajectory", tmp_path)
    said = fails(capsys, monkeypatch, "trajectory", recorded / "first", "--plane", "start-to-end", "--center", "mean")
    assert "--center is for --plane pca, got --plane start-to-end" in said
    (tmp_path / "model.safetensors").write_bytes((recorded / "first" / "model.safetensors").read_bytes())
    assert "is no recording" in fails(capsys, monkeypatch, "trajectory", tmp_path)
    assert "the models must be different files" in fails(
        capsys, monkeypatch, "trajectory", recorded / "first", recorded / "first"
    )
