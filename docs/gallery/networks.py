"""Trains networks of the zoo on the digits, and keeps results so that pictures can be drawn again without them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from matplotlib.text import Text
from torch import nn
from torch.utils.data import Dataset, TensorDataset

import fastscape
from fastscape.zoo import datasets, models, training

HERE = Path(__file__).parent
KEPT = HERE / "kept"
TEN = 10, 1e-3  # epochs, learning rate


def kept(name: str, compute: Callable[[], Any], kind: Any = fastscape.Landscape) -> Any:
    """A result of fastscape that is computed once.

    Args:
        name: The name of its file in `kept`.
        compute: Computes it if there is no such file.
        kind: The class that loads the file.

    Returns:
        The result.
    """
    file = KEPT / name
    if not file.exists():
        compute().save(file)
    return kind.load(file)


def untrained(name: str, seed: int = 0) -> tuple[nn.Module, TensorDataset]:
    """A network of the zoo with initial weights for the digits, and the digits."""
    digits = datasets.load("digits")
    return models.build(name, seed=seed, **datasets.describe(digits)._asdict()), digits


@cache
def trained(name: str, *schedule: tuple[int, float]) -> tuple[nn.Module, TensorDataset]:
    """A network of the zoo after training, and the digits.

    Args:
        name: Of the network.
        *schedule: Numbers of epochs, each with its learning rate.

    Returns:
        Both.
    """
    network, digits = untrained(name)
    for epochs, lr in schedule:
        training.train(network, digits, epochs=epochs, lr=lr, seed=0)
    return network, digits


def sets_of_digits() -> dict[str, Dataset[Any]]:
    """The digits of the training and the digits of the test."""
    return {"train": datasets.load("digits"), "test": datasets.load("digits", "test")}


def plane(
    picture: str, name: str, *schedule: tuple[int, float], samples: int = 64, **options: Any
) -> fastscape.Landscape:
    """The loss and the accuracy on a plane around a trained network.

    Args:
        picture: What the file in `kept` is named after.
        name: Of the network.
        *schedule: As in `trained`.
        samples: How many of the digits are evaluated. Default 64.
        **options: Of `fastscape.surface`.

    Returns:
        The landscape.
    """

    def compute() -> fastscape.Landscape:
        network, digits = trained(name, *schedule)
        return fastscape.surface(network, digits[:samples], metrics={"accuracy": fastscape.accuracy}, **options)

    return kept(f"{picture}.npz", compute)


def in_full(notes: Iterable[Text], width: int) -> None:
    """Shows notes below a picture as a whole, in several lines, instead of their beginning.

    Args:
        notes: Texts of a picture; texts that are not cut stay.
        width: Of a line, in characters.
    """
    for note in notes:
        if note.get_text().endswith("…"):
            note.set_text(textwrap.fill(" ".join(note.get_label().split("\n")), width))
