"""The data sets, from small files in torchvision's layout; nothing here touches the network."""

import gzip
import hashlib
import pickle
import socket
import tarfile
import urllib.request
import warnings
from pathlib import Path
from typing import NoReturn
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from torch.utils.data import TensorDataset

from fastscape.zoo import datasets, models
from idx import idx, write_idx

OPEN = urllib.request.urlopen
CLASS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every download fail; give the addresses that were asked for."""
    asked: list[str] = []

    def refuse(request: urllib.request.Request) -> NoReturn:
        asked.append(request.full_url)
        raise URLError("the cable is cut")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


def write_mnist(root: Path, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write 5 images for training and 3 for testing."""
    folder = root / CLASS[name] / "raw"
    folder.mkdir(parents=True)
    written = {}
    for split, prefix, count in (("train", "train", 5), ("test", "t10k", 3)):
        images = np.random.default_rng(count).integers(0, 256, (count, 28, 28)).astype(np.uint8)
        images[0, 0, :2] = 0, 255
        labels = np.arange(count, dtype=np.uint8) * 2
        write_idx(folder / f"{prefix}-images-idx3-ubyte", images)
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", labels)
        written[split] = images, labels
    return written


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Write five batches of 2 images and a test batch of 3, and tell torchvision their checksums."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    checksums, batches = {}, {}
    for file, count in [*((f"data_batch_{i}", 2) for i in range(1, 6)), ("test_batch", 3)]:
        images = random.integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)
        labels = random.integers(0, 10, count)
        batches[file] = images, labels
        checksums[file] = _dump(folder / file, {"data": images.reshape(count, -1), "labels": labels.tolist()})
    meta = _dump(folder / "batches.meta", {"label_names": [str(i) for i in range(10)]})
    names = [f"data_batch_{i}" for i in range(1, 6)]
    cifar = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar, "train_list", [[name, checksums[name]] for name in names])
    monkeypatch.setattr(cifar, "test_list", [["test_batch", checksums["test_batch"]]])
    monkeypatch.setattr(cifar, "meta", {"filename": "batches.meta", "key": "label_names", "md5": meta})
    train = tuple(np.concatenate([batches[name][part] for name in names]) for part in (0, 1))
    return {"train": (train[0], train[1]), "test": batches["test_batch"]}


def _dump(path: Path, content: dict[str, object]) -> str:
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(("split", "count"), [("train", 1500), ("test", 297)])
def test_digits_are_images_of_28_pixels(split: str, count: int) -> None:
    images, labels = datasets.load("digits", split).tensors
    assert images.shape == (count, 1, 28, 28)
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert 0 == images.min() < images.max() == 1
    assert labels.shape == (count,)
    assert labels.dtype == torch.int64
    assert labels.unique().tolist() == list(range(10))


def test_digits_are_shuffled_once_and_split_without_overlap() -> None:
    state = torch.get_rng_state()
    splits = [datasets.load("digits", split).tensors for split in ("train", "test")]
    assert torch.equal(torch.get_rng_state(), state)
    again = [datasets.load("digits", split).tensors for split in ("train", "test")]
    assert all(torch.equal(a, b) for x, y in zip(splits, again, strict=True) for a, b in zip(x, y, strict=True))
    images = torch.cat([images for images, _ in splits]).flatten(1)
    assert len(images.unique(dim=0)) == 1797
    labels = torch.cat([labels for _, labels in splits])
    assert labels[:20].tolist() != [*range(10), *range(10)]


def test_digits_keep_the_mean_brightness_of_their_pixels() -> None:
    from sklearn.datasets import load_digits

    images = torch.cat([datasets.load("digits", split).tensors[0] for split in ("train", "test")])
    assert float(images.mean()) == pytest.approx(load_digits().images.mean() / 16, rel=0.05)


@pytest.mark.parametrize("name", CLASS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_idx_files_become_tensors(tmp_path: Path, no_network: list[str], name: str, split: str) -> None:
    expected_images, expected_labels = write_mnist(tmp_path, name)[split]
    images, labels = datasets.load(name, split, root=tmp_path).tensors
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    np.testing.assert_array_equal(images.numpy(), expected_images[:, None].astype(np.float32) / 255)
    assert (images[0, 0, 0, 0], images[0, 0, 0, 1]) == (0, 1)
    assert labels.dtype == torch.int64
    assert labels.tolist() == expected_labels.tolist()
    assert no_network == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_cifar10_batches_become_tensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str], split: str
) -> None:
    expected_images, expected_labels = write_cifar10(tmp_path, monkeypatch)[split]
    images, labels = datasets.load("cifar10", split, root=str(tmp_path)).tensors
    assert images.is_contiguous()
    np.testing.assert_array_equal(images.numpy(), expected_images.astype(np.float32) / 255)
    assert labels.dtype == torch.int64
    assert labels.tolist() == expected_labels.tolist()
    assert no_network == []


def test_the_warning_about_old_pickles_is_kept_from_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path, monkeypatch)
    check = torchvision.datasets.CIFAR10._check_integrity

    def warn(self: torchvision.datasets.CIFAR10) -> bool:
        warnings.warn("dtype(): align should be passed as Python or NumPy boolean", UserWarning, stacklevel=1)
        return check(self)

    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", warn)
    assert len(datasets.load("cifar10", root=tmp_path)) == 10


def test_original_gz_files_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], no_network: list[str]
) -> None:
    write_mnist(tmp_path, "mnist")
    resources = []
    for file in sorted((tmp_path / "MNIST" / "raw").iterdir()):
        packed = file.with_name(f"{file.name}.gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
        file.unlink()
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    assert len(datasets.load("mnist", root=tmp_path)) == 5
    assert capfd.readouterr().out == ""
    assert no_network == []


def test_original_cifar_archive_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str]
) -> None:
    write_cifar10(tmp_path / "source", monkeypatch)
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "source" / "cifar-10-batches-py", "cifar-10-batches-py")
    checksum = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", checksum)
    assert len(datasets.load("cifar10", "test", root=tmp_path)) == 3
    assert no_network == []


@pytest.mark.parametrize("name", CLASS)
def test_missing_idx_files_are_named(tmp_path: Path, no_network: list[str], name: str) -> None:
    with pytest.raises(FileNotFoundError, match=rf"^{name} is not in .* \(.*the cable is cut.*\)\. Put") as caught:
        datasets.load(name, root=tmp_path)
    assert no_network
    message = str(caught.value)
    assert f"{tmp_path / CLASS[name] / 'raw'} and" in message
    for file in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", ".gz"):
        assert file in message
    assert "FASTSCAPE_DATA" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", CLASS)
def test_a_silent_server_ends_with_the_same_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    """The server takes the connection and never answers."""
    monkeypatch.setattr(urllib.request, "urlopen", OPEN)
    monkeypatch.setattr(datasets, "_PATIENCE", 0.2)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        monkeypatch.setattr(getattr(torchvision.datasets, CLASS[name]), "mirrors", [address])
        with pytest.raises(FileNotFoundError, match=rf"^{name} is not in .* \(.*timed out.*\)\. Put the files"):
            datasets.load(name, root=tmp_path)
    assert socket.getdefaulttimeout() is None
    folder = tmp_path / CLASS[name] / "raw"
    assert f"{name} is not complete in {folder}; torchvision unpacks or downloads it" in capfd.readouterr().err


def test_the_users_own_timeout_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float | None] = []

    def refuse(request: urllib.request.Request) -> NoReturn:
        seen.append(socket.getdefaulttimeout())
        raise URLError("the cable is cut")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    before = socket.getdefaulttimeout()
    try:
        for seconds in (None, 3.0):
            socket.setdefaulttimeout(seconds)
            with pytest.raises(FileNotFoundError):
                datasets.load("fashion-mnist", root=tmp_path)
            assert socket.getdefaulttimeout() == seconds
    finally:
        socket.setdefaulttimeout(before)
    assert set(seen) == {20.0, 3.0}


def test_only_the_missing_files_are_asked_for(tmp_path: Path) -> None:
    write_mnist(tmp_path, "mnist")
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="Put the files t10k-labels-idx1-ubyte there, or"):
        datasets.load("mnist", root=tmp_path)


def test_wrong_checksum_of_cifar_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str]
) -> None:
    write_cifar10(tmp_path, monkeypatch)
    (tmp_path / "cifar-10-batches-py" / "data_batch_3").write_bytes(b"half a download")
    with pytest.raises(ValueError, match=r"files of cifar10 in .* cannot be read .*the cable is cut.*; delete"):
        datasets.load("cifar10", root=tmp_path)
    assert no_network


def test_missing_cifar_files_are_named(tmp_path: Path, no_network: list[str]) -> None:
    with pytest.raises(FileNotFoundError, match=r"^cifar10 is not in .*data_batch_5, test_batch, batches.meta") as e:
        datasets.load("cifar10", root=tmp_path)
    assert no_network
    assert f"{tmp_path / 'cifar-10-batches-py'} and" in str(e.value)
    assert "cifar-10-python.tar.gz" in str(e.value)


def test_unusable_folder_is_reported_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FileNotFoundError, match=r"mnist is not in .*Not a directory|mnist is not in .*exists"):
        datasets.load("mnist", root=tmp_path / "file")


@pytest.mark.parametrize("damage", ["half", "header", "count"])
def test_damaged_files_are_reported(tmp_path: Path, damage: str) -> None:
    write_mnist(tmp_path, "mnist")
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = {"half": file.read_bytes()[:999], "header": b"", "count": idx(np.zeros((4, 28, 28), np.uint8))}
    file.write_bytes(content[damage])
    with pytest.raises(
        ValueError, match=r"(mnist in .* cannot be read|as many images as labels, got 4 images and 5 labels).*; delete"
    ):
        datasets.load("mnist", root=tmp_path)


def test_root_comes_from_the_argument_then_the_environment_then_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mnist(tmp_path / "environment", "mnist")
    write_mnist(tmp_path / "home" / ".cache" / "fastscape", "mnist")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("FASTSCAPE_DATA", str(tmp_path / "environment"))
    with pytest.raises(FileNotFoundError, match="argument"):
        datasets.load("mnist", root=tmp_path / "argument")
    assert len(datasets.load("mnist")) == 5
    monkeypatch.setenv("FASTSCAPE_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        datasets.load("mnist")
    monkeypatch.delenv("FASTSCAPE_DATA")
    assert len(datasets.load("mnist")) == 5


def test_unknown_names_list_the_choices() -> None:
    with pytest.raises(ValueError, match="'svhn'; choose one of digits, fashion-mnist, mnist, cifar10"):
        datasets.load("svhn")
    with pytest.raises(ValueError, match="'validation'; choose one of train, test"):
        datasets.load("digits", "validation")


def test_a_network_is_built_from_the_description() -> None:
    data = TensorDataset(torch.zeros(4, 3, 9, 9), torch.tensor([0, 5, 2, 1]))
    shape = datasets.describe(data)
    assert shape == (3, 9, 6)
    assert models.build("mlp", **shape._asdict())(data.tensors[0]).shape == (4, 6)


@pytest.mark.parametrize(
    "tensors",
    [
        (torch.zeros(4, 9, 9), torch.zeros(4)),
        (torch.zeros(4, 1, 9, 8), torch.zeros(4)),
        (torch.zeros(4, 1, 9, 9), torch.zeros(4, 10)),
        (torch.zeros(4, 1, 9, 9),),
    ],
)
def test_other_tensors_are_not_described(tensors: tuple[torch.Tensor, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be tensors \[N, C, H, H\] and \[N\], got the shapes "):
        datasets.describe(TensorDataset(*tensors))


def test_an_empty_data_set_is_not_described() -> None:
    with pytest.raises(ValueError, match="the data set must have at least one sample to count the classes, got none"):
        datasets.describe(TensorDataset(torch.zeros(0, 1, 9, 9), torch.zeros(0)))
