"""The command that aligns one checkpoint to another."""

import pytest
import torch
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aligned")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for seed, name in enumerate(("a", "b")):
            run("train", "mlp", "digits", "--epochs", 1, "--seed", seed, "--out", folder / f"{name}.safetensors")
    return folder


def test_one_checkpoint_is_aligned_to_another(trained, tmp_path):
    out = tmp_path / "new" / "aligned.safetensors"
    said = run("align", trained / "b.safetensors", "--to", trained / "a.safetensors", "--out", out, "--samples", 20)
    found = fastscape.Alignment.load(out.with_suffix(".json"))
    assert str(found) in said
    assert found.samples == 20
    assert found.distance_after < found.distance_before
    b, aligned = (load_checkpoint(file) for file in (trained / "b.safetensors", out))
    assert aligned[1]["aligned_to"] == "a.safetensors"
    assert aligned[1]["epochs"] == b[1]["epochs"]
    images = datasets.load("digits")[:8][0]
    with torch.no_grad():
        torch.testing.assert_close(aligned[0](images), b[0](images))
    state = found.applied(b[0].state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in aligned[0].state_dict().items())
    again = tmp_path / "again.safetensors"  # what is aligned can be aligned once more
    options = ["--method", "activations", "--samples", 20, "--restarts", 1]
    run("align", out, "--to", trained / "b.safetensors", "--out", again, *options)
    assert fastscape.Alignment.load(again.with_suffix(".json")).report["method"] == "activations"


def test_what_cannot_be_aligned(trained, tmp_path, capsys, monkeypatch):
    b = trained / "b.safetensors"
    assert "--to must be the reference model, got nothing" in fails(capsys, monkeypatch, "align", b)
    wrong = fails(capsys, monkeypatch, "align", b, "--to", b, "--out", tmp_path / "x.pt")
    assert "--out must end in .safetensors, got" in wrong
    assert "--method must be weights or activations" in fails(
        capsys, monkeypatch, "align", b, "--to", b, "--method", "magic"
    )
    assert "which does not exist" in fails(capsys, monkeypatch, "align", b, "--to", tmp_path / "none.safetensors")
