"""The data sets of the examples, each as a tensor of images and a tensor of labels.

Importing this module downloads nothing. `digits` is part of scikit-learn and works without a network.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F
from torch.utils.data import TensorDataset

DATASETS = ("digits", "fashion-mnist", "mnist", "cifar10")
"""Names for `load`."""

_SPLITS = ("train", "test")
_PATIENCE = 20.0
"""Seconds that a server may stay silent during a download."""
_DIGITS_IN_TRAIN = 1500


class DataShape(NamedTuple):
    """The facts about a data set that a network needs: `models.build(name, **shape._asdict())`."""

    in_channels: int
    image_size: int
    classes: int


def load(name: str, split: str = "train", *, root: str | os.PathLike[str] | None = None) -> TensorDataset:
    """Load a data set from files in torchvision's layout; torchvision downloads missing files.

    A line on stderr announces a download. It ends with an error after 20 seconds without an answer, unless
    `socket.setdefaulttimeout` sets a different time.

    | name | train | test | image | source |
    |---|---|---|---|---|
    | digits | 1500 | 297 | 1 x 28 x 28, enlarged from 8 x 8 | scikit-learn, `load_digits` |
    | fashion-mnist | 60000 | 10000 | 1 x 28 x 28 | Xiao et al. 2017, arXiv 1708.07747 |
    | mnist | 60000 | 10000 | 1 x 28 x 28 | LeCun et al. 1998 |
    | cifar10 | 50000 | 10000 | 3 x 32 x 32 | Krizhevsky 2009 |

    Args:
        name: One of `DATASETS`.
        split: "train" or "test". Default "train".
        root: The folder that torchvision calls `root`: it has the files in `MNIST/raw`, `FashionMNIST/raw` or
            `cifar-10-batches-py`. Default: the environment variable FASTSCAPE_DATA, else `~/.cache/fastscape`.
            `digits` needs no files.

    Returns:
        Images, float32 [N, C, H, H] in [0, 1], and labels, int64 [N].

    Raises:
        FileNotFoundError: If the files are missing and cannot be downloaded; it names the folder and the files to put
            there by hand.
        ValueError: If there is no such data set or split, or if the files are damaged.

    Example:
        >>> images, labels = load("digits", "test").tensors
        >>> images.shape
        torch.Size([297, 1, 28, 28])
    """
    if name not in DATASETS:
        raise ValueError(f"no data set is called {name!r:.80}; choose one of {', '.join(DATASETS)}")
    if split not in _SPLITS:
        raise ValueError(f"no split is called {split!r}; choose one of {', '.join(_SPLITS)}")
    if name == "digits":
        return _digits(split)
    return _from_files(_SOURCES[name], split, _root(root))


def describe(dataset: TensorDataset) -> DataShape:
    """Find the facts about a data set that a network needs.

    Args:
        dataset: Images [N, C, H, H] and labels [N], as from `load`.

    Returns:
        Channels, height = width in pixels, and number of classes. The last is the largest label plus 1: describe a
        whole data set, because a small part of it could lack the last class.

    Raises:
        ValueError: If the data set is empty or is not a pair of square images and labels.

    Example:
        >>> describe(load("digits"))
        DataShape(in_channels=1, image_size=28, classes=10)
    """
    shapes = [tuple(tensor.shape) for tensor in dataset.tensors]
    if len(shapes) != 2 or len(shapes[0]) != 4 or len(shapes[1]) != 1 or shapes[0][2] != shapes[0][3]:
        raise ValueError(
            f"a data set for images must be tensors [N, C, H, H] and [N], got the shapes {shapes}: write "
            "TensorDataset(images, labels)"
        )
    if len(dataset) == 0:
        raise ValueError("the data set must have at least one sample to count the classes, got none")
    images, labels = dataset.tensors
    return DataShape(images.shape[1], images.shape[2], int(labels.max()) + 1)


class _Source(NamedTuple):
    """The files of a data set in torchvision; `archive` names the compressed files that torchvision unpacks itself."""

    name: str
    torchvision_class: str
    folder: str
    files: tuple[str, ...]
    archive: str


_IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_IDX_ARCHIVE = "the original .gz files in the same folder"
_SOURCES = {
    "fashion-mnist": _Source("fashion-mnist", "FashionMNIST", "FashionMNIST/raw", _IDX_FILES, _IDX_ARCHIVE),
    "mnist": _Source("mnist", "MNIST", "MNIST/raw", _IDX_FILES, _IDX_ARCHIVE),
    "cifar10": _Source(
        "cifar10",
        "CIFAR10",
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
        "the original cifar-10-python.tar.gz in the folder above it",
    ),
}


def _root(root: str | os.PathLike[str] | None) -> Path:
    """Resolve the folder of the files."""
    return Path(root or os.environ.get("FASTSCAPE_DATA") or "~/.cache/fastscape").expanduser()


def _digits(split: str) -> TensorDataset:
    """Enlarge scikit-learn's digits to the size of MNIST, and take the split's part of a fixed shuffle."""
    # This import takes half a second, which only users of the digits should pay.
    from sklearn.datasets import load_digits

    raw = load_digits()
    order = torch.randperm(len(raw.target), generator=torch.Generator().manual_seed(0), device="cpu")
    part = order[:_DIGITS_IN_TRAIN] if split == "train" else order[_DIGITS_IN_TRAIN:]
    small = torch.from_numpy(raw.images).to(torch.float32)[part].unsqueeze(1) / 16
    images = F.interpolate(small, size=(28, 28), mode="bilinear", align_corners=False)
    return TensorDataset(images, torch.from_numpy(raw.target).to(torch.int64)[part])


def _from_files(source: _Source, split: str, root: Path) -> TensorDataset:
    """Read a data set with torchvision's own class, from its files or from the network."""
    folder = root / source.folder
    try:
        raw = _read(source, split, root)
    except (RuntimeError, OSError, HTTPException, AssertionError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        missing = [file for file in source.files if not (folder / file).is_file()]
        said = reason if len(reason) <= 160 else f"{reason[:60]} ... {reason[-90:]}"
        if missing:
            raise FileNotFoundError(
                f"{source.name} is not in {folder} and could not be downloaded ({said}). Put the files "
                f"{', '.join(missing)} there, or {source.archive}, or name another folder with root= (--root) or "
                "FASTSCAPE_DATA"
            ) from error
        raise ValueError(
            f"the files of {source.name} in {folder} cannot be read ({reason}); "
            "delete them, so that they are downloaded again"
        ) from error
    images, labels = torch.as_tensor(raw.data), torch.as_tensor(raw.targets, dtype=torch.int64)
    if len(images) != len(labels):
        raise ValueError(
            f"{folder} must have as many images as labels, got {len(images)} images and {len(labels)} labels; delete "
            "the files, and fastscape downloads them again"
        )
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
    return TensorDataset(images.to(torch.float32, memory_format=torch.contiguous_format).div_(255), labels)


def _read(source: _Source, split: str, root: Path) -> Any:
    """Return torchvision's data set; only if its files are missing, torchvision unpacks or downloads them."""
    # Importing torchvision takes a second, which only users of its data sets should pay.
    from torchvision import datasets

    torchvision_class = getattr(datasets, source.torchvision_class)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        # numpy 2.4.0 to 2.4.4 warns about the age of CIFAR's pickles, which we cannot change
        warnings.filterwarnings("ignore", message=r"dtype\(\): align should be passed")
        try:
            return torchvision_class(root, train=split == "train", download=False)
        except RuntimeError:
            print(
                f"fastscape: {source.name} is not complete in {root / source.folder}; torchvision unpacks or "
                "downloads it there",
                file=sys.stderr,
            )
            with _patience():
                return torchvision_class(root, train=split == "train", download=True)


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """Let no download wait without end; torchvision sets no timeout itself."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE if before is None else before)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
