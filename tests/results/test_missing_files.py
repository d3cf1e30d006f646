"""Whatever reads a file says which file is missing or is a folder, and what was wanted."""

import pytest
import torch
from torch import nn

import fastscape
from commands import fails

MODEL, DATA = nn.Linear(3, 2), (torch.rand(4, 3), torch.tensor([0, 1, 0, 1]))
KINDS = {
    fastscape.Alignment: "an alignment must be a .json file that Alignment.save wrote",
    fastscape.Barrier: "a barrier must be a .json file that Barrier.save wrote",
    fastscape.Barriers: "barriers must be a .json file that Barriers.save wrote",
    fastscape.BasinRadius: "a basin radius must be a .json file that BasinRadius.save wrote",
    fastscape.Curve: "a curve must be a .safetensors file that Curve.save wrote",
    fastscape.Plan: "a plan must be a .json file that Plan.save wrote",
    fastscape.Sharpness: "sharpness must be a .json file that Sharpness.save wrote",
    fastscape.Spectrum: "a spectrum must be a .json file that Spectrum.save wrote",
    fastscape.Topology: "a topology must be a .npz file that Topology.save wrote",
}
STATE = "a module, a state dict, or a file with one by torch.save or safetensors"


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_result_names_what_writes_its_files(kind):
    with pytest.raises(FileNotFoundError, match=f"^{KINDS[kind]}, got no.x, which does not exist$"):
        kind.load("no.x")
    with pytest.raises(IsADirectoryError, match=f"^{KINDS[kind]}, got folder, which is a folder$"):
        kind.load("folder")


@pytest.mark.parametrize(
    ("file", "error", "why"),
    [
        ("no.pt", FileNotFoundError, "does not exist"),
        ("no.safetensors", FileNotFoundError, "does not exist"),
        ("folder", IsADirectoryError, "is a folder"),
    ],
)
@pytest.mark.parametrize(
    ("call", "whose"),
    [
        (lambda file: fastscape.barrier(MODEL, file, DATA), "b"),
        (lambda file: fastscape.barriers({"first": MODEL, "second": file}, DATA), "second"),
        (lambda file: fastscape.pca([MODEL, file]), "checkpoint 1 of 'training'"),
        (lambda file: fastscape.through(MODEL, nn.Linear(3, 2), file), "model C"),
    ],
)
def test_a_checkpoint_names_what_it_must_be(call, whose, file, error, why):
    with pytest.raises(error, match=f"^{whose} must be {STATE}, got {file}, which {why}$"):
        call(file)


def test_the_command_says_of_a_folder_that_it_is_one(capsys, monkeypatch):
    for given, why in (("no.pt", "does not exist"), ("folder", "is a folder")):
        said = fails(capsys, monkeypatch, "barrier", given, "second.pt")
        assert f"`fastscape train` or the name of your own, got {given}, which {why}; write" in said
