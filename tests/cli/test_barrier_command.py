"""The command that computes barriers between checkpoints."""

import pytest
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ends")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for seed, name in enumerate(("first", "second", "third")):
            run("train", "mlp", "digits", "--epochs", 1, "--seed", seed, "--out", folder / f"{name}.safetensors")
    return folder


def test_two_checkpoints(trained, tmp_path):
    files = [trained / f"{name}.safetensors" for name in ("first", "second")]
    out = tmp_path / "new" / "both.json"
    said = run("barrier", *files, "--out", out, "--samples", 20, "--points", 5, "--split", "train,test")
    found = fastscape.Barrier.load(out)
    assert list(found) == ["loss", "accuracy", "loss of test", "accuracy of test"]
    assert found.line.shape == (5,)
    networks = [load_checkpoint(file)[0] for file in files]
    data = {split: datasets.load("digits", split)[:20] for split in ("train", "test")}
    wanted = fastscape.barrier(*networks, data, points=5, progress=False)
    assert found.value == pytest.approx(wanted.value)
    assert str(found) in said
    assert out.with_suffix(".png").stat().st_size > 1000


def test_more_are_a_matrix(trained, tmp_path):
    files = [trained / f"{name}.safetensors" for name in ("first", "second", "third")]
    out = tmp_path / "all.json"
    said = run("barrier", *files, "--out", out, "--samples", 20, "--points", 3)
    found = fastscape.Barriers.load(out)
    assert found.names == ("first", "second", "third")
    assert str(found) in said
    assert {path.name for path in tmp_path.iterdir()} == {"all.json", "all-loss.png", "all-accuracy.png"}
    run("barrier", *files, "--out", out, "--samples", 5, "--points", 3, "--no-pictures")
    assert fastscape.Barriers.load(out).between("first", "third").report["samples"] == 5


def test_what_is_refused(trained, tmp_path, capsys, monkeypatch):
    first, second = (trained / f"{name}.safetensors" for name in ("first", "second"))
    assert "a barrier must have two models or more, got 1" in fails(capsys, monkeypatch, "barrier", first)
    wrong = fails(capsys, monkeypatch, "barrier", first, second, "--out", tmp_path / "one.npz")
    assert "--out must end in .json, got" in wrong
    assert "the models must be different files" in fails(capsys, monkeypatch, "barrier", first, first)
    assert "points must be a whole number of at least 3, got 1" in fails(
        capsys, monkeypatch, "barrier", first, second, "--points", 1
    )
    network, facts = load_checkpoint(second)
    save_checkpoint(network, tmp_path / "other.safetensors", model_name="mlp", dataset_name="mnist")
    other = fails(capsys, monkeypatch, "barrier", first, tmp_path / "other.safetensors")
    assert "the models must be of one data set, got 'digits' for" in other
    assert "and 'mnist' for" in other
    assert facts["dataset"] == "digits"
