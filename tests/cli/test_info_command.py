"""What `fastscape info` says of a file."""

import json

import numpy as np
import pytest
import torch

import fastscape
from commands import fails, run
from fastscape import Landscape
from fastscape.zoo import models
from fastscape.zoo.checkpoints import save_checkpoint

AXIS = np.linspace(-2, 2, 41)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    model = torch.nn.Linear(3, 2)
    data = torch.rand(10, 3), torch.arange(10) % 2
    found = fastscape.surface(model, data, x=(-1, 1, 3), y=(0, 1, 2), seed=5, progress=False)
    return found, found.save(tmp_path_factory.mktemp("computed") / "a.npz")


@pytest.fixture
def valleys(tmp_path):
    loss = 1 + (AXIS[:, None] ** 2 - 1) ** 2 + AXIS[:9] ** 2
    report = {"model": "Net", "rms": float("nan")}
    found = Landscape(AXIS, AXIS[:9], loss, report=report).topology()
    return found, found.save(tmp_path / "topology.npz")


def test_ten_lines_with_the_main_facts(computed):
    found, file = computed
    lines = run("info", file).splitlines()
    assert len(lines) == 10
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:-1]}
    versions = found.report["versions"]
    assert lines[0] == repr(found)
    assert said == {
        "model": "Linear, 8 parameters",
        "grid": "3 x 2 points, from -1 to 1 along x and from 0 to 1 along y",
        "loss": f"torch.nn.functional.cross_entropy, {found.loss[1, 0]:.4g} at the model",
        "samples": "10 samples",
        "directions": (
            "The axes run along random directions (normal, seed 5), filter-normalised; "
            "6 of 8 parameters move (weights)"
        ),
        "plan": said["plan"],
        "warnings": "none",
        "versions": ", ".join(f"{name} {versions[name]}" for name in ("fastscape", "torch", "python")),
    }
    plan = found.report["plan"]
    wanted = f"{plan['batching']}, chunk {plan['chunk']}, microbatch {plan['microbatch']}, float32 on cpu"
    assert said["plan"] == wanted
    assert "--all" in lines[-1]
    assert "--json" in lines[-1]


def test_everything_is_shown_when_asked(computed):
    found, file = computed
    names = {line.split()[0] for line in run("info", file, "--all").splitlines()}
    assert found.report.keys() <= names
    assert found.report["plan"].keys() <= names


def test_the_report_as_json_is_the_report(computed):
    found, file = computed
    assert json.loads(run("info", file, "--json")) == dict(found.report)


def test_warnings_are_counted(tmp_path):
    report = {"warnings": ["the first\none", "another", "a third"]}
    file = Landscape(AXIS, None, AXIS**2, report=report).save(tmp_path / "a.npz")
    assert "warnings            the first one (and 2 more)\n" in run("info", file)


def test_a_landscape_made_by_hand(tmp_path):
    file = Landscape(AXIS, None, AXIS**2).save(tmp_path / "a.npz")
    assert run("info", file).splitlines() == [
        "Landscape(41 points, loss 0 to 4)",
        "grid                41 points, from -2 to 2 along x",
    ]
    assert json.loads(run("info", file, "--json")) == {}


def test_a_topology_is_shown_as_its_table(valleys):
    found, file = valleys
    said = run("info", file)
    assert said == f"{found}\n"
    assert "2 basins" in said
    assert run("info", file, "--all").startswith(said)
    assert "model               Net" in run("info", file, "--all")
    assert json.loads(run("info", file, "--json"), parse_constant=pytest.fail) == {**found.report, "rms": None}


def test_checkpoints_and_this_machine_as_json(tmp_path):
    file = tmp_path / "mlp.safetensors"
    save_checkpoint(
        models.build("mlp", in_channels=1, image_size=4, seed=0), file, model_name="mlp", dataset_name="digits"
    )
    assert json.loads(run("info", file, "--json"))["model"] == "mlp"
    assert json.loads(run("info", "--json"))["versions"]["torch"] == torch.__version__


def test_what_is_refused(computed, tmp_path, capsys, monkeypatch):
    _, file = computed
    assert "--all must come without --json, got both" in fails(capsys, monkeypatch, "info", file, "--all", "--json")
    np.savez(tmp_path / "other.npz", weights=AXIS)
    assert "is no landscape that this version can read" in fails(capsys, monkeypatch, "info", tmp_path / "other.npz")
