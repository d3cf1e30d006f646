"""Checkpoints: bit for bit there and back, and a clear word on every file that is none."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fastscape.zoo import checkpoints, datasets, models, training
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint


def save(model: nn.Module, path: Path, name: str = "mlp", **extra: object) -> None:
    save_checkpoint(model, path, model_name=name, dataset_name="digits", **extra)


def rewrite_header(path: Path, **facts: str | None) -> None:
    """Change facts in the header of a safetensors file; None removes one."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = {k: v for k, v in (header["__metadata__"] | facts).items() if v is not None}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("mlp", {}),
        ("mnist-cnn", {"in_channels": 2, "image_size": 15, "classes": 3}),
        ("resnet8", {"in_channels": 3, "image_size": 32}),
        ("resnet8-noshort", {"classes": 1}),
    ],
)
def test_round_trip_is_bit_exact(tmp_path: Path, name: str, sizes: dict[str, int]) -> None:
    model = models.build(name, **sizes)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape) * 100)
        next(model.parameters()).view(-1)[0] = float("nan")
    path = tmp_path / "new" / "folder" / "model.safetensors"
    save(model, path, name, epochs=3, seed=0, accuracy=1 / 3)
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]

    state = torch.get_rng_state()
    loaded, metadata = load_checkpoint(path)
    assert torch.equal(torch.get_rng_state(), state)
    assert repr(loaded) == repr(model)
    assert not any(module.training for module in loaded.modules())
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    for key, tensor in model.state_dict().items():
        assert loaded.state_dict()[key].numpy().tobytes() == tensor.numpy().tobytes()
    expected = {"in_channels": 1, "image_size": 28, "classes": 10} | sizes
    assert metadata == {
        "format": "fastscape-checkpoint",
        "version": "1",
        "model": name,
        "dataset": "digits",
        **{key: str(value) for key, value in expected.items()},
        "epochs": "3",
        "seed": "0",
        "accuracy": str(1 / 3),
    }


def test_a_trained_network_keeps_its_accuracy(tmp_path: Path) -> None:
    data, test = datasets.load("digits"), datasets.load("digits", "test")
    model = models.build("mnist-cnn", **datasets.describe(data)._asdict())
    training.train(model, data, epochs=1, batch_size=256)
    save(model, tmp_path / "cnn", "mnist-cnn")
    loaded, _ = load_checkpoint(str(tmp_path / "cnn"))
    assert training.accuracy(loaded, test) == training.accuracy(model, test)


def test_dtype_and_memory_layout_survive(tmp_path: Path) -> None:
    model = models.build("mnist-cnn").double().to(memory_format=torch.channels_last)
    save(model, tmp_path / "cnn", "mnist-cnn")
    loaded, _ = load_checkpoint(tmp_path / "cnn")
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), model.parameters(), strict=True))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float64}


def test_loaded_weights_do_not_hang_on_the_file(tmp_path: Path) -> None:
    model, path = models.build("mlp"), tmp_path / "mlp"
    save(model, path)
    loaded, _ = load_checkpoint(path)
    with path.open("r+b") as file:
        file.write(b"\0" * path.stat().st_size)
    assert torch.equal(loaded.layers[1].weight, model.layers[1].weight)
    save(loaded, path)
    training.train(loaded, datasets.load("digits"), epochs=1, batch_size=500)


def test_a_failed_save_keeps_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mlp"
    model = models.build("mlp")
    save(model, path)
    before = path.read_bytes()

    def fill_the_disk(file: int) -> None:
        os.truncate(file, os.fstat(file).st_size // 2)
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fill_the_disk)
        with pytest.raises(OSError, match="no space left"):
            save(models.build("mlp"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    save(models.build("mlp"), tmp_path / "mlp")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "mlp").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_second_save_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mlp"
    save(models.build("mlp"), path)
    second = models.build("mlp")
    save(second, path)
    assert torch.equal(load_checkpoint(path)[0].layers[1].weight, second.layers[1].weight)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("model", [nn.Linear(2, 2), models.MLP(classes=3).layers, models.MnistCNN()])
def test_a_network_that_the_name_would_not_rebuild_is_refused(tmp_path: Path, model: nn.Module) -> None:
    with pytest.raises(
        ValueError, match=r"model_name must rebuild the network, but models\.build\('mlp'\) does not rebuild this"
    ):
        save(model, tmp_path / "mlp")
    assert list(tmp_path.iterdir()) == []


def test_shortcuts_belong_to_the_network(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"model_name must rebuild the network, but models\.build\('resnet8-noshort'\) does not"
    ):
        save(models.build("resnet8"), tmp_path / "model", "resnet8-noshort")


def test_names_of_the_header_are_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the extra names classes, version came.*for example classes_note"):
        save(models.build("mlp"), tmp_path / "mlp", version=2, classes=10, epochs=1)


def test_unknown_model_name_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no network is called 'mlp2'; choose one of vgg13"):
        save(models.build("mlp"), tmp_path / "mlp", "mlp2")


def test_missing_file_is_reported(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"a checkpoint is a file that zoo\.checkpoints\.save_checkpoint writes"
        ):
            load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_file_is_reported(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "mlp"
    save(models.build("mlp"), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(
        ValueError, match=r"must be a whole safetensors file of save_checkpoint \(Error while deserializing header:"
    ):
        load_checkpoint(path)


def test_pickled_file_is_reported_and_not_run(tmp_path: Path) -> None:
    torch.save(models.build("mlp").state_dict(), tmp_path / "mlp.pt")
    with pytest.raises(
        ValueError, match=r"must be a whole safetensors file of save_checkpoint \(Error while deserializing header:"
    ):
        load_checkpoint(tmp_path / "mlp.pt")


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        (None, "no facts"),
        ({"format": "pt"}, r"\['format'\]"),
        (dict.fromkeys(checkpoints._KEYS, "1"), r"\['classes', 'dataset'"),
    ],
)
def test_foreign_safetensors_file_is_reported(tmp_path: Path, metadata: dict[str, str] | None, found: str) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", metadata=metadata)
    with pytest.raises(ValueError, match=rf"must be a checkpoint of save_checkpoint, .* in its header, got {found}"):
        load_checkpoint(tmp_path / "foreign")


@pytest.mark.parametrize("key", checkpoints._KEYS)
def test_header_without_a_fact_is_reported(tmp_path: Path, key: str) -> None:
    save(models.build("mlp"), tmp_path / "mlp")
    rewrite_header(tmp_path / "mlp", **{key: None})
    with pytest.raises(
        ValueError, match="must be a checkpoint of save_checkpoint, with format, version, model, dataset,"
    ):
        load_checkpoint(tmp_path / "mlp")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"version": "2"}, r"is a checkpoint of version '2'; this fastscape reads version '1'"),
        ({"model": "mnist-cnn"}, r"does not hold the network 'mnist-cnn' .*size mismatch for layers.3.weight"),
        ({"model": "resnet8"}, r"does not hold the network 'resnet8' .*has 44 tensors, and the file 6"),
        ({"model": "resnet999998"}, r"does not hold the network 'resnet999998' .*has 5999984 tensors, and the file 6"),
        (
            {"model": "9" * 10_000},
            r"^.{,200}does not hold the network '9{70,80} that its header names .{,210}; write it again",
        ),
        (
            {"image_size": "99999999999"},
            r"does not hold the network 'mlp' that its header names .{,210}; write it again",
        ),
        ({"image_size": "9" * 5000}, r"does not hold the network 'mlp' .*Exceeds the limit"),
        ({"model": "nothing"}, r"does not hold the network 'nothing' .*no network is called"),
        ({"classes": "11"}, r"does not hold the network 'mlp' .*size mismatch"),
        ({"classes": "ten"}, r"does not hold the network 'mlp' .*invalid literal"),
    ],
)
def test_header_that_does_not_fit_the_weights_is_reported(tmp_path: Path, facts: dict[str, str], message: str) -> None:
    save(models.build("mlp"), tmp_path / "mlp")
    rewrite_header(tmp_path / "mlp", **facts)
    with pytest.raises(ValueError, match=rf"(?s){message}"):
        load_checkpoint(tmp_path / "mlp")
