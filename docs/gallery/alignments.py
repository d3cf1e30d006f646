"""Pairs of networks that were trained apart, and the barriers between them before and after alignment."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

import fastscape
from fastscape.zoo import datasets, models, training


class Pair(NamedTuple):
    """What lies between two networks.

    Args:
        before: From the first network to the second one as it was trained.
        after: To the second one with its units in the order of the first.
        alignment: What was found.
    """

    before: fastscape.Barrier
    after: fastscape.Barrier
    alignment: fastscape.Alignment


class WideResNet(nn.Module):
    """The residual network of the zoo with more channels."""

    def __init__(self, times: int = 4, classes: int = 10) -> None:
        super().__init__()
        widths = [times * width for width in (16, 16, 32, 64)]
        self.stem, self.norm = nn.Conv2d(1, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0])
        self.blocks = nn.Sequential(*(models._Block(a, b, shortcuts=True) for a, b in pairwise(widths)))
        self.head = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [N, 1, H, W] to logits [N, classes]."""
        return self.head(self.blocks(F.relu(self.norm(self.stem(images)))).mean(dim=(2, 3)))


def wide_mlp(width: int = 512) -> nn.Module:
    """A perceptron with two wide hidden layers."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def mlps(*, epochs: int = 10, method: str = "weights", samples: int | None = None) -> Pair:
    """Two perceptrons of width 512 that were trained on the digits from different seeds."""
    data = datasets.load("digits")
    a, b = (_trained(wide_mlp, data, seed, epochs) for seed in (0, 1))
    return _pair(a, b, TensorDataset(*data[:samples]), method)


def resnets(
    *, epochs: int = 3, side: int = 14, times: int = 4, method: str = "activations", samples: int = 256
) -> Pair:
    """Two ResNet-8 with 4 times the channels, on digits of 14 pixels; statistics are estimated anew on the line."""
    images, labels = datasets.load("digits").tensors
    data = TensorDataset(F.interpolate(images, size=side, mode="area"), labels)
    a, b = (_trained(lambda: WideResNet(times), data, seed, epochs) for seed in (0, 1))
    return _pair(a, b, TensorDataset(*data[:samples]), method, batchnorm="recalibrate")


def _trained(build: object, data: TensorDataset, seed: int, epochs: int) -> nn.Module:
    torch.manual_seed(seed)
    network = build()  # type: ignore[operator]
    training.train(network, data, epochs=epochs, seed=seed, progress=False)
    return network


def _pair(a: nn.Module, b: nn.Module, data: TensorDataset, method: str, **options: str) -> Pair:
    found = fastscape.align(b, data, to=a, method=method, progress=False)  # type: ignore[arg-type]
    before, after = (
        fastscape.barrier(a, other, data, metrics={"accuracy": fastscape.accuracy}, **options)  # type: ignore[arg-type]
        for other in (b, found.model)
    )
    return Pair(before, after, found)
