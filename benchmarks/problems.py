"""The problems of the benchmark suite: models as after training, samples, and a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fastscape.zoo import models


class Problem(NamedTuple):
    """A model in evaluation mode, its samples, and the mean of a loss over them."""

    name: str
    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]


class Encoder(nn.Module):
    """A small transformer encoder that classifies sequences."""

    def __init__(self, width: int = 64, layers: int = 2, tokens: int = 100) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.layers(self.embedding(tokens)).mean(1))


class LanguageModel(nn.Module):
    """A small causal language model: the scores of the next token at every place."""

    def __init__(self, width: int = 128, layers: int = 4, tokens: int = 256, length: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, tokens)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, tokens: Tensor) -> Tensor:
        n = tokens.shape[1]
        x = self.embedding(tokens) + self.place[:n]
        return self.head(self.layers(x, mask=self.mask[:n, :n], is_causal=True))


def image_problem(
    name: str, network: str, samples: int, channels: int, size: int, *, small: str
) -> Callable[[bool], Problem]:
    def build(tiny: bool) -> Problem:
        n = min(samples, 8) if tiny else samples
        generator = torch.Generator().manual_seed(0)
        inputs = torch.rand(n, channels, size, size, generator=generator)
        targets = torch.randint(10, (n,), generator=generator)
        model = models.build(small if tiny else network, in_channels=channels, image_size=size, seed=0)
        return Problem(name, _settled(model, inputs), inputs, targets, F.cross_entropy)

    return build


def _sequence_problem(name: str, network: Callable[[], nn.Module], samples: int) -> Callable[[bool], Problem]:
    def build(tiny: bool) -> Problem:
        n, length = (4, 8) if tiny else (samples, 32)
        generator = torch.Generator().manual_seed(0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = _settled(network(), None)
        inputs = torch.randint(100, (n, length), generator=generator)
        if isinstance(model, LanguageModel):
            return Problem(name, model, inputs, torch.randint(100, (n, length), generator=generator), _next_token)
        return Problem(name, model, inputs, torch.randint(10, (n,), generator=generator), F.cross_entropy)

    return build


def _next_token(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())


def _settled(model: nn.Module, inputs: Tensor | None) -> nn.Module:
    """The model with the running statistics of these inputs, and no bias at 0: as after training."""
    model.train()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.01 * torch.randn_like(parameter))
        for _ in range(0 if inputs is None else 20):
            model(inputs[:64])
    return model.eval()


PROBLEMS: dict[str, Callable[[bool], Problem]] = {
    "mlp": image_problem("mlp", "mlp", 64, 1, 28, small="mlp"),
    "cnn": image_problem("cnn", "mnist-cnn", 1000, 1, 28, small="mnist-cnn"),
    "resnet20": image_problem("resnet20", "resnet20", 128, 3, 32, small="resnet8"),
    "resnet56": image_problem("resnet56", "resnet56", 64, 3, 32, small="resnet8"),
    "vgg13": image_problem("vgg13", "vgg13", 64, 1, 28, small="mnist-cnn"),
    "encoder": _sequence_problem("encoder", Encoder, 64),
    "language-model": _sequence_problem("language-model", LanguageModel, 32),
}
"""By name, what builds the problem, tiny or in full size."""
