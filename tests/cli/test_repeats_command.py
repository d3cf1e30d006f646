"""`--repeats`, as a user types it."""

from pathlib import Path

import numpy as np
import pytest

from commands import fails, run
from fastscape import Landscape
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import save_checkpoint

FEW = "--points", 5, "--samples", 16


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "mlp.safetensors"
    network = models.build("mlp", seed=0, **datasets.describe(datasets.load("digits"))._asdict())
    save_checkpoint(network, path, model_name="mlp", dataset_name="digits")
    return path


def test_a_line_is_drawn_with_a_band(checkpoint, tmp_path):
    output = run("line", checkpoint, *FEW, "--repeats", 3, "--seed", 5, "--out", tmp_path / "line.npz")
    assert "5 points, mean of 3 repeats" in output
    assert "mean of 3 random directions, with a standard error of at most" in " ".join(output.split())
    landscape = Landscape.load(tmp_path / "line.npz")
    assert landscape.repeats["loss"].shape == (3, 5)
    assert (tmp_path / "line-loss.png").stat().st_size > 1000
    run("line", checkpoint, *FEW, "--seed", landscape.report["seeds"][1], "--out", tmp_path / "one.npz")
    np.testing.assert_allclose(Landscape.load(tmp_path / "one.npz").loss, landscape.repeats["loss"][1], rtol=1e-5)


def test_a_surface_is_the_mean_of_several(checkpoint, tmp_path):
    output = run("surface", checkpoint, *FEW, "--repeats", 2, "--out", tmp_path / "surface.npz")
    assert "5 x 5 points, mean of 2 repeats" in output
    assert (tmp_path / "surface-contour.png").exists()
    run("plot", tmp_path / "surface.npz", "--metric", "spread of loss", "--out", tmp_path / "spread.png")
    assert (tmp_path / "spread.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--repeats", 0), "repeats must be an integer of at least 1, got 0"),
        (("--repeats", 2, "--tolerance", 0.01), "repeats=2 are several; leave out one"),
        (("--repeats", 2, "OTHER"), "write --own-directions too"),
    ],
)
def test_mistakes(options, message, checkpoint, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if options[-1] == "OTHER":
        other = tmp_path / "other.safetensors"
        other.write_bytes(checkpoint.read_bytes())
        options = (*options[:-1], other)
    assert message in fails(capsys, monkeypatch, "surface", checkpoint, *FEW, *options)
    assert not list(tmp_path.glob("*.npz"))
