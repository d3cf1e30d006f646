"""`fastscape volume`, as a user types it."""

from pathlib import Path

import numpy as np
import pytest
import torch

import fastscape
from commands import fails, run
from fastscape import Landscape
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "mlp.safetensors"
    network = models.build("mlp", seed=0, **datasets.describe(datasets.load("digits"))._asdict())
    save_checkpoint(network, path, model_name="mlp", dataset_name="digits")
    return path


def test_a_volume_and_its_files(checkpoint, tmp_path):
    out = tmp_path / "volume.npz"
    few = "--points", 3, "--reach", 0.5, "--samples", 16, "--seed", 5
    assert "Landscape(3 x 3 x 3 points" in run("volume", checkpoint, *few, "--out", out)
    landscape = Landscape.load(out)
    np.testing.assert_array_equal(landscape.z, [-0.5, 0.0, 0.5])
    wanted = fastscape.volume(
        load_checkpoint(checkpoint)[0], first(16), axes=[(-0.5, 0.5, 3)] * 3, seed=5, progress=False
    )
    np.testing.assert_allclose(landscape.loss, wanted.loss, rtol=1e-5)
    assert "3 x 3 x 3 points" in run("info", out)
    run("export", out, tmp_path / "volume.csv")
    assert Landscape.load(tmp_path / "volume.csv").loss.tobytes() == landscape.loss.tobytes()
    run("volume", checkpoint, *few, "--dimensions", 4, "--points", 2, "--out", tmp_path / "four.npz")
    assert list(Landscape.load(tmp_path / "four.npz").axes) == ["x1", "x2", "x3", "x4"]


def first(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first samples of the digits."""
    inputs, targets = zip(*(datasets.load("digits")[k] for k in range(count)), strict=True)
    return torch.stack(inputs), torch.tensor([int(target) for target in targets])


def test_what_is_refused(checkpoint, capsys, monkeypatch, tmp_path):
    out = "--out", tmp_path / "a.npz"
    assert "--dimensions must be at least 1" in fails(
        capsys, monkeypatch, "volume", checkpoint, *out, "--dimensions", 0
    )
    assert "--reach must be auto or a number above 0, got" in fails(
        capsys, monkeypatch, "volume", checkpoint, *out, "--reach", "far"
    )
    assert "--out must end in .npz, got a.csv" in fails(capsys, monkeypatch, "volume", checkpoint, "--out", "a.csv")
    run("volume", checkpoint, *out, "--points", 2, "--samples", 4)
    assert "--kind is for a landscape of 2 axes, got 3" in fails(
        capsys, monkeypatch, "plot", tmp_path / "a.npz", "--kind", "contour", "--out", tmp_path / "a.png"
    ).replace("\n", " ")
