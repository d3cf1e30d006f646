"""The commands that compute the spectrum and the sharpness of checkpoints."""

import pytest
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape.zoo import datasets


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curved")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for seed, name in enumerate(("first", "second")):
            out = folder / f"{name}.safetensors"
            run("train", "mlp", "digits", "--epochs", 1, "--seed", seed, "--out", out)
    return folder


FEW = ["--samples", 20, "--measures", "worst_case", "--measures", "random_directions", "--radii", 0.2, "--steps", 2]


def test_the_sharpness_of_one(trained, tmp_path):
    out = tmp_path / "new" / "one.json"
    said = run("sharpness", trained / "first.safetensors", "--out", out, *FEW, "--rho", 0.1)
    report = fastscape.Sharpness.load(out)
    assert list(report) == ["worst_case", "random_directions_0.2"]
    assert report.samples == 20
    assert report["worst_case"].settings["rho"] == 0.1
    assert str(report) in said
    assert str(out.with_suffix(".png")) in said
    assert out.with_suffix(".png").stat().st_size > 1000


def test_the_sharpness_of_two_side_by_side(trained, tmp_path):
    files = [trained / f"{name}.safetensors" for name in ("first", "second")]
    said = run("sharpness", *files, "--out", tmp_path / "both", *FEW, "--no-pictures")
    reports = [fastscape.Sharpness.load(tmp_path / "both" / f"{file.stem}.json") for file in files]
    assert str(reports[0].beside(reports[1], names=["first", "second"])) in said
    assert not list(tmp_path.rglob("*.png"))


def test_the_spectrum(trained, tmp_path):
    pytest.importorskip("curvlinops")
    out = tmp_path / "spectrum.json"
    options = ["--samples", 10, "--k", 1, "--probes", 2, "--steps", 10, "--trace-probes", 4, "--tolerance", 0.01]
    said = run("spectrum", trained / "first.safetensors", "--out", out, *options)
    found = fastscape.Spectrum.load(out)
    assert found.samples == 10
    assert len(found.eigenvalues) == 2
    assert repr(found) in said
    assert out.with_suffix(".png").stat().st_size > 1000


def test_what_cannot_be_written(trained, tmp_path, capsys, monkeypatch):
    files = [trained / f"{name}.safetensors" for name in ("first", "second")]
    wrong = fails(capsys, monkeypatch, "sharpness", files[0], "--out", tmp_path / "one.txt")
    assert "--out must end in .json, got" in wrong
    assert "--out must end in .json" in fails(capsys, monkeypatch, "spectrum", files[0], "--out", tmp_path / "one.txt")
    assert "--out must be a folder" in fails(capsys, monkeypatch, "sharpness", *files, "--out", tmp_path / "two.json")
    assert "--samples must be at least 1, got 0" in fails(capsys, monkeypatch, "sharpness", files[0], "--samples", 0)
    unknown = fails(capsys, monkeypatch, "sharpness", files[0], "--samples", 5, "--measures", "sharp")
    assert "--measures must be worst_case, " in unknown
