"""A network of the zoo: how it is made, what it is evaluated on, and what its user measures."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Objective = Callable[[Callable[..., Any], Any], Tensor]

SEED = 7  # of the constructor
SIZES = 4, 2  # samples of the batches; unequal, so that a mean of means is not the mean over the samples
CALLED = 3  # samples of the batch that the user has called the model on before


@dataclass(frozen=True, eq=False)
class Network:
    """One network.

    Args:
        name: What it is called.
        kind: "timm" or "transformers"; of a test anything.
        task: What it does, in a few words.
        build: Makes it; it draws from the global generators alone.
        batch: Makes a batch of some samples: `(inputs, targets)`, or anything that the objective takes.
        objective: `f(call, batch)`, the mean loss of a batch. Default: cross-entropy of pairs.
    """

    name: str
    kind: str
    task: str
    build: Callable[[], nn.Module]
    batch: Callable[[int], Any]
    objective: Objective | None = None

    def built(self) -> nn.Module:
        """A new one, the same every time, which nobody has called."""
        seeded(SEED)
        return self.build()

    def batches(self) -> list[Any]:
        """The data, the same every time."""
        seeded(SEED + 1)
        return [self.batch(size) for size in SIZES]

    def other_batch(self) -> Any:
        """What the user has called the model on before."""
        seeded(SEED + 2)
        return self.batch(CALLED)

    def loss(self, model: nn.Module, batch: Any) -> Tensor:
        """The mean loss over the samples of a batch, by a plain call of the model."""
        if self.objective is not None:
            return self.objective(model, batch)
        inputs, targets = batch
        return F.cross_entropy(model(inputs), targets)


def seeded(seed: int) -> None:
    """Seeds every global generator."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - models draw from the legacy global generator


def tensors_of(content: Any) -> list[Tensor]:
    """The tensors in a batch."""
    if isinstance(content, Tensor):
        return [content]
    if isinstance(content, Mapping):
        return [tensor for part in content.values() for tensor in tensors_of(part)]
    return [tensor for part in content for tensor in tensors_of(part)] if isinstance(content, tuple | list) else []
