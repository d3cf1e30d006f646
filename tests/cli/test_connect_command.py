"""The command that connects two checkpoints."""

import pytest
import torch
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("connected")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for seed, name in enumerate(("first", "last")):
            out = folder / f"{name}.safetensors"
            run("train", "mlp", "digits", "--epochs", 2, "--seed", seed, "--out", out)
    return folder / "first.safetensors", folder / "last.safetensors"


def test_a_curve_its_lines_its_plane_and_their_pictures(trained, tmp_path):
    out, store = tmp_path / "new" / "bent.safetensors", tmp_path / "kept"
    options = ["--samples", 90, "--points", 5, "--epochs", 2, "--batch-size", 30, "--store", store]
    said = run("connect", *trained, "--out", out, "--curve", "polygon", "--bends", 2, "--lr", 0.01, *options)
    curve = fastscape.Curve.load(out)
    assert (curve.shape, curve.bends, len(curve.losses)) == ("polygon", 2, 6)
    assert (store / "curve.safetensors").exists()
    assert curve.report["samples"] == 90
    for end, file in ((0.0, trained[0]), (1.0, trained[1])):
        network, _ = load_checkpoint(file)
        assert all(torch.equal(curve.weights(end)[name], tensor) for name, tensor in network.state_dict().items())
    straight, line, plane = (
        fastscape.Landscape.load(out.with_name(f"bent-{name}.npz")) for name in ("straight", "line", "plane")
    )
    assert line.report["scheme"] == "polygon curve"
    assert straight.loss[0] == pytest.approx(line.loss[0], rel=1e-5)
    assert straight.loss[-1] == pytest.approx(line.loss[-1], rel=1e-5)
    assert plane.shape == (5, 5)
    assert f"at most {straight.loss.max():.4f} (t = " in said
    assert f"{line.loss.max():.4f} (t = " in said.partition("on the straight line, ")[2]
    for name in ("line", "plane"):
        assert out.with_name(f"bent-{name}.png").stat().st_size > 1000
        assert str(out.with_name(f"bent-{name}.png")) in said


def test_without_pictures(trained, tmp_path):
    out = tmp_path / "curve.safetensors"
    run("connect", *trained, "--out", out, "--samples", 40, "--points", 3, "--steps", 2, "--no-pictures")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"curve.safetensors", "curve-line.npz", "curve-straight.npz"}


def test_what_cannot_be_connected(trained, tmp_path, capsys, monkeypatch):
    wrong = fails(capsys, monkeypatch, "connect", *trained, "--out", tmp_path / "curve.pt")
    assert "--out must end in .safetensors, got" in wrong
    wrong = fails(capsys, monkeypatch, "connect", *trained, "--points", 2)
    assert "--points must be at least 3, got 2" in wrong
    wrong = fails(capsys, monkeypatch, "connect", trained[0], trained[0], "--samples", 20)
    assert "the models must be different files" in wrong
    (tmp_path / "same.safetensors").write_bytes(trained[0].read_bytes())
    wrong = fails(capsys, monkeypatch, "connect", trained[0], tmp_path / "same.safetensors", "--samples", 20)
    assert "both models have the same weights" in wrong
    assert "a curve must have two models, got 1" in fails(capsys, monkeypatch, "connect", trained[0])
    wrong = fails(capsys, monkeypatch, "connect", *trained, "--bends", 0, "--samples", 20)
    assert "bends must be a whole number of at least 1, got 0" in wrong
