"""The command for how far around checkpoints a score holds."""

import re

import pytest
from torch.utils.data import TensorDataset

import fastscape
from commands import fails, run
from fastscape.zoo import datasets


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("basins")
    load = datasets.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastscape.cli.app.datasets.load", lambda *given, **named: TensorDataset(*load(*given)[:130]))
        for seed, name in enumerate(("first", "second")):
            run("train", "mlp", "digits", "--epochs", 1, "--seed", seed, "--out", folder / f"{name}.safetensors")
    return folder


FEW = ["--samples", 20, "--directions", 6, "--drop", 0.2, "--tolerance", 0.05]


def test_one(trained, tmp_path):
    out = tmp_path / "new" / "one.json"
    said = run("basin", trained / "first.safetensors", "--out", out, *FEW, "--measure", "accuracy", "--limit", 2)
    found = fastscape.BasinRadius.load(out)
    assert (found.measure, found.count, found.settings["limit"], found.report["samples"]) == ("accuracy", 6, 2, 20)
    assert found.summary() in said
    assert out.with_suffix(".png").stat().st_size > 1000


def test_two_in_one_picture(trained, tmp_path):
    files = [trained / f"{name}.safetensors" for name in ("first", "second")]
    said = run("basin", *files, "--out", tmp_path / "both", *FEW, "--limit", 4)
    assert [fastscape.BasinRadius.load(tmp_path / "both" / f"{file.stem}.json").count for file in files] == [6, 6]
    assert "second: loss, " in said
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_the_help_names_scores_of_commands_and_shows_a_line_that_works(trained, tmp_path, monkeypatch):
    said = " ".join(run("basin", "--help").replace("│", " ").split())
    assert "Score that must hold: loss, or the name of a metric. Default: loss." in said
    (line,) = re.findall(r"Example: fastscape (basin [\w. -]+ --limit 2)", said)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((trained / "first.safetensors").read_bytes())
    run(*line.split(), "--samples", 20, "--directions", 2, "--steps", 4)
    found = fastscape.BasinRadius.load(tmp_path / "basin.json")
    assert (found.measure, found.settings["drop"], found.settings["limit"]) == ("accuracy", 0.05, 2)


def test_what_is_refused(trained, capsys, monkeypatch):
    files = [trained / f"{name}.safetensors" for name in ("first", "second")]
    assert "--out must end in .json, got one.txt" in fails(capsys, monkeypatch, "basin", files[0], "--out", "one.txt")
    assert "--out must be a folder" in fails(capsys, monkeypatch, "basin", *files, "--out", "two.json").replace(
        "wanted", "give"
    )
    wrong = fails(capsys, monkeypatch, "basin", files[0], "--samples", 5, "--measure", "precision")
    assert "measure='precision' is none here; there are loss, accuracy" in wrong
