"""Several models on common directions and one scale, in the library and on the command line."""

import numpy as np
import pytest
import torch

import fastscape
from commands import fails, run
from fastscape import Landscape
from fastscape.cli.several_checkpoints import names_of
from fastscape.reference import filter_normalised
from fastscape.reference import surface as reference
from fastscape.zoo import datasets, models
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint
from tolerance import assert_close

AXES = ("--x", -1, 1, 5, "--y", -0.5, 1, 4)
EPOCHS = ("epoch1", "epoch2", "epoch3")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three checkpoints as of one training, and one of another architecture."""
    folder = tmp_path_factory.mktemp("runs")
    sizes = datasets.describe(datasets.load("digits"))._asdict()
    for seed, (name, kind) in enumerate([*zip(EPOCHS, ["mlp"] * 3, strict=True), ("other", "mnist-cnn")]):
        network = models.build(kind, seed=seed, **sizes)
        save_checkpoint(network, folder / f"{name}.safetensors", model_name=kind, dataset_name="digits")
    return folder


def test_common_directions_are_those_of_the_model_that_they_are_made_of(runs):
    first, second = (load_checkpoint(runs / f"{name}.safetensors")[0].double() for name in EPOCHS[:2])
    data = datasets.load("digits")[:20]
    axes = {"x": (-1, 1, 5), "y": (-0.5, 1, 4), "precision": "float64"}
    directions = fastscape.random_directions(first, seed=7, dtype=torch.float64)
    of_first = fastscape.surface(first, data, directions=directions, **axes)
    assert_close(of_first.loss, fastscape.surface(first, data, seed=7, **axes).loss)
    of_second = fastscape.surface(second, data, directions=directions, **axes)
    own = fastscape.surface(second, data, seed=7, **axes)
    assert abs(of_second.loss - own.loss).max() > 1e-3  # its own are scaled to its own filters

    drawn = fastscape.random_directions(first, seed=7, normalize="none", dtype=torch.float64)
    scaled = tuple(filter_normalised(direction, first) for direction in drawn)
    inputs, targets = data[:]
    truth = reference(second, (inputs.double(), targets), scaled, of_second.x, of_second.y)
    assert_close(of_second.loss, truth)


def test_a_single_common_direction_of_another_kind():
    model = torch.nn.Linear(4, 3)
    (direction,) = fastscape.random_directions(
        model, count=1, normalize="layer", perturb="weights+bias", distribution="rademacher"
    )
    assert {name: tensor.shape for name, tensor in direction.items()} == {"weight": (3, 4), "bias": (3,)}
    assert torch.allclose(direction["weight"].norm(), model.weight.norm())
    assert len(direction["weight"].abs().unique()) == 1


@pytest.mark.parametrize("options", [{"normalize": "cosine"}, {"distribution": "cauchy"}, {"seed": -1}])
def test_mistakes_in_random_directions(options):
    with pytest.raises(ValueError, match=str(next(iter(options.values())))):
        fastscape.random_directions(torch.nn.Linear(4, 3), **options)


def test_a_pattern_of_checkpoints_on_common_directions_and_one_scale(runs, tmp_path):
    out, store = tmp_path / "maps", tmp_path / "stores"
    output = run("surface", runs / "epoch*.safetensors", "--out", out, "--store", store, "--seed", 5, *AXES)
    maps = [Landscape.load(out / f"{name}.npz") for name in EPOCHS]
    first = load_checkpoint(runs / "epoch1.safetensors")[0]
    directions = fastscape.random_directions(first, seed=5)
    for name, landscape in zip(EPOCHS, maps, strict=True):
        network = load_checkpoint(runs / f"{name}.safetensors")[0]
        axes = {"x": landscape.x, "y": landscape.y}
        alone = fastscape.surface(network, datasets.load("digits")[:64], directions=directions, **axes)
        assert (landscape.loss == alone.loss).all()
        assert landscape.report["common_directions"]["reference"].endswith("epoch1.safetensors")
        assert landscape.report["common_directions"]["normalize"] == "filter"
        assert (Landscape.load(store / f"{name}.zarr").loss == landscape.loss).all()
        for kind in ("contour", "surface"):
            assert str(out / f"{name}-{kind}.png") in output
            assert (out / f"{name}-{kind}.png").stat().st_size > 1000


def test_the_pictures_have_one_scale(runs, tmp_path, monkeypatch):
    scales = []
    monkeypatch.setattr(
        "fastscape.cli.commands.save_pictures", lambda one, *files, **drawn: scales.append(drawn) or files
    )
    run("surface", *(runs / f"{name}.safetensors" for name in EPOCHS), "--out", tmp_path, *AXES)
    losses = np.log10([Landscape.load(tmp_path / f"{name}.npz").loss for name in EPOCHS])
    assert scales == [{"log": True, "scale": (losses.min(), losses.max())}] * 3


def test_several_checkpoints_go_on_as_a_whole(runs, tmp_path, monkeypatch):
    files = [runs / f"{name}.safetensors" for name in EPOCHS]
    where = "--out", tmp_path / "maps", "--store", tmp_path / "stores", "--no-pictures"
    whole = fastscape.api.surface
    calls = []

    def ended(*arguments, **options):
        if "store" not in options:  # the options are tried first
            return whole(*arguments, **options)
        calls.append(options["store"])
        if len(calls) == 2:
            raise MemoryError
        return whole(*arguments, **options)

    monkeypatch.setattr("fastscape.api.surface", ended)
    with pytest.raises(MemoryError):
        run("surface", *files, *where, *AXES)
    monkeypatch.setattr("fastscape.api.surface", whole)
    run("surface", *files, *where, *AXES)
    before = [Landscape.load(tmp_path / "maps" / f"{name}.npz").report["points_before"] for name in EPOCHS]
    assert before == [20, 0, 0]


def test_networks_of_different_kinds_have_directions_of_their_own(runs, tmp_path, capsys, monkeypatch):
    both = runs / "epoch1.safetensors", runs / "other.safetensors"
    where = "--out", tmp_path, "--no-pictures"
    error = fails(capsys, monkeypatch, "surface", *both, *where, *AXES)
    assert "different layers.0.weight in" in error
    assert "--own-directions" in error
    assert not list(tmp_path.iterdir())  # nothing was begun
    run("surface", *both, "--own-directions", *where, *AXES)
    run("surface", both[1], "--out", tmp_path / "alone.npz", "--no-pictures", *AXES)
    assert (Landscape.load(tmp_path / "other.npz").loss == Landscape.load(tmp_path / "alone.npz").loss).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none*.safetensors",), "the pattern must match checkpoints"),
        (("epoch1.safetensors", "epoch1.safetensors"), "the models must be different files"),
        (("epoch1.safetensors", "epoch2.safetensors", "--out", "one.npz"), "--out must be a folder for 2 results"),
        (("epoch1.safetensors", "epoch2.safetensors", "--low-memory"), "--own-directions"),
        (
            ("epoch1.safetensors", "epoch2.safetensors", "--precision", "zz"),
            "--precision must be float64, float32, bfloat16 or float16, got zz",
        ),
        (
            ("epoch1.safetensors", "epoch2.safetensors", "--scheme", "zz"),
            "--scheme must be plane, linear2x",
        ),
        (
            ("epoch1.safetensors", "epoch2.safetensors", "--normalize", "zz"),
            "--normalize must be filter, filter-input, layer",
        ),
        (
            ("epoch1.safetensors", "epoch2.safetensors", "--distribution", "zz"),
            "--distribution must be normal",
        ),
    ],
)
def test_mistakes_with_several(arguments, message, runs, capsys, monkeypatch):
    monkeypatch.chdir(runs)
    assert message in fails(capsys, monkeypatch, "surface", *arguments, *AXES)


def test_names_tell_files_apart():
    assert names_of(["a.safetensors", "b.safetensors"]) == ["a", "b"]
    assert names_of(["x/1/last.pt", "x/2/last.pt"]) == ["1-last", "2-last"]
    assert names_of(["x/last.pt", "x/last.bin"]) == ["last.pt", "last.bin"]
