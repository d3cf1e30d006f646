"""One table of cases: models, data and grids. A new case is one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape import reference
from fastscape.directions import direction_random
from fastscape.weights import layout_of
from fastscape.zoo import models

# Square and not, even and odd counts, an axis that starts at 0, explicit coordinates.
GRIDS: dict[str, tuple[Any, Any]] = {
    "3 x 3": ((-1.0, 1.0, 3), (-1.0, 1.0, 3)),
    "2 x 5 from 0": ((0.0, 0.5, 2), (-0.5, 1.0, 5)),
    "explicit 4 x 1": ([-0.7, -0.1, 0.0, 0.9], (0.25, 0.25, 1)),
}


class Case(NamedTuple):
    """A model in the state of a trained one, its data, and its loss."""

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Any, Tensor], Tensor]
    microbatch: int  # divides no case's number of samples, so the last batch is uneven


def classifier(name: str, samples: int, microbatch: int, *, image_size: int = 28, channels: int = 1) -> Case:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.rand(samples, channels, image_size, image_size, generator=generator)
    targets = torch.randint(10, (samples,), generator=generator)
    model = models.build(name, in_channels=channels, image_size=image_size, seed=0)
    return Case(lived_in(model, inputs), inputs, targets, F.cross_entropy, microbatch)


def lived_in(model: nn.Module, inputs: Tensor) -> nn.Module:
    """The model with the running statistics and the biases of one that has been trained."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        model.train()
        for _ in range(3):
            model(inputs)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


ZOO: dict[str, Callable[[], Case]] = {
    "mlp": lambda: classifier("mlp", 13, 5),
    "mnist-cnn": lambda: classifier("mnist-cnn", 13, 5),
    "vgg13": lambda: classifier("vgg13", 5, 3, image_size=16),
    "resnet8": lambda: classifier("resnet8", 13, 5),
    "resnet14-noshort": lambda: classifier("resnet14-noshort", 7, 5, channels=3, image_size=32),
}


class Odd(nn.Module):
    """What a network may hold besides linear layers: tied, frozen, 0-dim and empty parameters, transposed layers."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)
        self.tied = nn.Linear(6, 6)
        self.tied.weight = self.inner.weight
        self.frozen = nn.Linear(6, 5, bias=False).requires_grad_(False)
        self.transposed = nn.ConvTranspose1d(5, 3, 2)
        self.grouped = nn.ConvTranspose1d(4, 6, 3, groups=2)
        self.norm = nn.LayerNorm(6)
        self.temperature = nn.Parameter(torch.tensor(1.5))
        self.nothing = nn.Parameter(torch.zeros(0, 4))
        self.register_buffer("offset", torch.tensor([0.1, -0.2, 0.3]))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.frozen(self.norm(self.tied(torch.relu(self.inner(x)))))
        channels = self.transposed(hidden[:, :, None]) + self.offset[:, None]
        grouped = self.grouped(torch.cat([channels, channels[:, :1]], dim=1))
        return grouped.mean(-1) * self.temperature + self.nothing.sum()


def odd() -> Case:
    generator = torch.Generator().manual_seed(2)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(3)
        model = Odd()
    inputs = torch.randn(11, 6, generator=generator)
    return Case(model, inputs, torch.randn(11, 6, generator=generator), F.mse_loss, 4)


CASES: dict[str, Callable[[], Case]] = {**ZOO, "odd parameters": odd}


def reference_surface(case: Case, x: np.ndarray, y: np.ndarray, *, dtype: torch.dtype, seed: int = 0) -> np.ndarray:
    """The slow truth of `surface(case...)`: the same random numbers, everything else by the reference."""
    layout = layout_of(case.model)
    d1, d2 = (
        reference.filter_normalised(layout.unflatten(direction_random(layout, seed, axis)), case.model)
        for axis in (0, 1)
    )
    return reference.surface(case.model, case.inputs, case.targets, (d1, d2), x, y, loss=case.loss, dtype=dtype)
