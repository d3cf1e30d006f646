"""Checks options before checkpoints and data are read, by a call of the library on a small model.

The library checks the options of a call before it reads the first sample. A command therefore first makes its call on
a model of one layer, whose data end the call as soon as a sample is read. The command refuses all options that the
library refuses until then.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from fastscape.landscape import Landscape

__all__ = ["bowl", "rehearsed"]


class _Reached(Exception):
    """The first sample would be read."""


class _Samples(Dataset[Any]):
    """Two samples, which are never read."""

    reached = False

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> Any:
        self.reached = True
        raise _Reached


def rehearsed(
    call: Callable[..., Any], *, others: tuple[str, ...] = (), with_directions: bool = False, **options: Any
) -> None:
    """Refuses the options of a call that the library would refuse.

    Args:
        call: A function of the library.
        others: Further arguments that are models, after the first or by name. Default: none.
        with_directions: Whether directions will be given. Default False.
        **options: The options that the call will have. A store is left out, because the call would create it.

    Raises:
        ValueError: When an option has no such choice, or options exclude each other.
        TypeError: When an option has a wrong type.
        ImportError: When a package that an option needs is not installed.
    """
    samples = _Samples()
    given = {name: value for name, value in options.items() if name != "store"}
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        models = {"first": nn.Linear(2, 2), **{name: nn.Linear(2, 2) for name in others}}
        given |= {"directions": [nn.Linear(2, 2), nn.Linear(2, 2)]} if with_directions else {}
    taken = inspect.signature(call).parameters
    given |= {name: value for name, value in {"progress": False, "distributed": False}.items() if name in taken}
    first = models.pop("first")
    placed = [models.pop(name) for name in others if taken[name].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(first, *placed, samples, **given, **models)
    except Exception:
        if not samples.reached:
            raise


def bowl() -> Landscape:
    """A small landscape, on which the options of a command are checked before files are read.

    Returns:
        A bowl with its minimum in the middle.
    """
    axis = np.linspace(-1, 1, 5)
    return Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
