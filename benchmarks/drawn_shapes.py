"""Problems of random shapes: few points or many, few samples or many, few weights or many, in few tensors or many."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.problems import Problem

__all__ = ["KINDS", "Shape", "drawn", "problem_of"]

# What a plain loop reaches on one core, about, by which problems of a fitting length are chosen.
FLOPS, CALL, BANDWIDTH = 2e10, 2e-5, 4e9
SECONDS = 0.3, 12.0
BATCH = 1000
BUFFER = 5_000_000  # entries of a buffer that does not move


@dataclass(frozen=True)
class Shape:
    """One drawn problem.

    Args:
        kind: Of network.
        sides: Points along x and y.
        samples: How many.
        width: Of the layers.
        depth: How many layers of one kind.
    """

    kind: str
    sides: tuple[int, int]
    samples: int
    width: int
    depth: int

    @property
    def name(self) -> str:
        """By which it is known in the results."""
        return f"{self.kind}-{self.width}x{self.depth}-{self.samples}-{self.sides[0]}x{self.sides[1]}"

    @property
    def points(self) -> int:
        """Of the grid."""
        return self.sides[0] * self.sides[1]

    def as_dict(self) -> dict[str, Any]:
        """The shape as plain values."""
        return {**asdict(self), "name": self.name, "points": self.points}


class _Lookup(nn.Module):
    """A table that does not move, of which each sample reads some rows."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.randn(rows, columns))

    def forward(self, places: Tensor) -> Tensor:
        return self.table[places].mean(1)


class _Attention(nn.Module):
    """Tokens through layers of a transformer: a class for a sequence, or scores of the next token at each place."""

    def __init__(self, width: int, depth: int, tokens: int, length: int, *, causal: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=causal)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, tokens if causal else 10)
        self.causal = causal
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens) + self.place
        if self.causal:
            return self.head(self.layers(x, mask=self.mask, is_causal=True))
        return self.head(self.layers(x).mean(1))


class _Recurrent(nn.Module):
    """A recurrent network that reads vectors."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.cells = nn.GRU(8, width, depth, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


class _Gates(nn.Module):
    """Many small tensors: x <- tanh(a x + b), again and again."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.a = nn.ParameterList([1 + 0.1 * torch.randn(width) for _ in range(depth)])
        self.b = nn.ParameterList([0.1 * torch.randn(width) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        for a, b in zip(self.a, self.b, strict=True):
            x = torch.tanh(a * x + b)
        return x


def _dense(width: int, depth: int, inputs: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [nn.Linear(inputs if k == 0 else width, width), nn.ReLU()]
    return [*layers, nn.Linear(width, 10)]


def _convolutions(width: int, depth: int, *, norms: bool) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for k in range(depth):
        layers.append(nn.Conv2d(3 if k == 0 else width, width, 3, padding=1, bias=not norms))
        layers += [nn.BatchNorm2d(width)] if norms else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)] if k in (0, 2) else [nn.ReLU()]
    return [*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10)]


@dataclass(frozen=True)
class _Kind:
    """How a kind of network is made.

    Args:
        network: Of width and depth.
        inputs: Of so many samples.
        cost: Multiplications a sample, by width and depth.
        tensors: Of a layer.
        weights: Of a layer, by width.
        step: What widths are multiples of. Default 1.
    """

    network: Callable[[int, int], nn.Module]
    inputs: Callable[[int], Tensor]
    cost: Callable[[int, int], float]
    tensors: int
    weights: Callable[[int], float]
    step: int = 1


def _images(n: int) -> Tensor:
    return torch.rand(n, 3, 16, 16)


def _tokens(n: int) -> Tensor:
    return torch.randint(100, (n, 16))


def _passes(width: int, depth: int) -> float:
    return (256 * 27 * width) + 9 * width**2 * (64 * min(depth - 1, 2) + 16 * max(depth - 3, 0))


KINDS: dict[str, _Kind] = {
    "mlp": _Kind(
        lambda w, d: nn.Sequential(*_dense(w, d, 20)),
        lambda n: torch.randn(n, 20),
        lambda w, d: w * (20 + w * (d - 1) + 10),
        2,
        lambda w: w**2,
    ),
    "cnn": _Kind(
        lambda w, d: nn.Sequential(*_convolutions(w, d, norms=False)), _images, _passes, 2, lambda w: 9 * w**2
    ),
    "conv-bn": _Kind(
        lambda w, d: nn.Sequential(*_convolutions(w, d, norms=True)), _images, _passes, 3, lambda w: 9 * w**2
    ),
    "encoder": _Kind(
        lambda w, d: _Attention(w, d, 100, 16, causal=False), _tokens, lambda w, d: 16 * 12 * w**2 * d, 12,
        lambda w: 12 * w**2, 4,
    ),
    "language-model": _Kind(
        lambda w, d: _Attention(w, d, 100, 16, causal=True), _tokens, lambda w, d: 16 * (12 * w**2 * d + 100 * w), 12,
        lambda w: 12 * w**2, 4,
    ),
    "recurrent": _Kind(
        lambda w, d: _Recurrent(w, d), lambda n: torch.randn(n, 12, 8), lambda w, d: 12 * 6 * w**2 * d, 4,
        lambda w: 6 * w**2,
    ),
    "table": _Kind(
        lambda w, d: nn.Sequential(_Lookup(BUFFER // 20, 20), *_dense(w, d, 20)),
        lambda n: torch.randint(BUFFER // 20, (n, 4)),
        lambda w, d: w * (20 + w * (d - 1) + 10),
        2,
        lambda w: w**2,
    ),
    "gates": _Kind(
        lambda w, d: nn.Sequential(nn.Linear(8, w), _Gates(w, d), nn.Linear(w, 10)),
        lambda n: torch.randn(n, 8),
        lambda w, d: w * (18 + 20 * d),
        2,
        lambda w: 2 * w,
    ),
}  # fmt: skip
"""By name, from `tensors` and `weights` of a layer follow width and depth."""


def drawn(count: int, seed: int = 0, *, tiny: bool = False) -> list[Shape]:
    """Random shapes, log-uniform in points, samples, weights and tensors, the kinds in turn.

    Args:
        count: How many.
        seed: Of the draw.
        tiny: Whether to take so small ones that they only show that it runs.

    Returns:
        The shapes, of which a plain loop takes from a third of a second to some ten seconds.
    """
    numbers = random.Random(seed)
    found: list[Shape] = []
    while len(found) < count:
        kind = list(KINDS)[len(found) % len(KINDS)]
        if tiny:
            found.append(Shape(kind, (2, 2 + len(found) // len(KINDS)), 16, 4, 1))
            continue
        shape = _one(kind, numbers)
        if SECONDS[0] <= _expected(shape) <= SECONDS[1] and _size(shape) <= 3e8:
            found.append(shape)
    return found


def _one(kind: str, numbers: random.Random) -> Shape:
    def logarithmic(low: float, high: float) -> float:
        return math.exp(numbers.uniform(math.log(low), math.log(high)))

    made = KINDS[kind]
    points, samples = logarithmic(4, 2601), round(logarithmic(16, 200_000))
    weights, tensors = logarithmic(1e2, 3e6), logarithmic(2, 300)
    depth = max(round(tensors / made.tensors), 1)
    width = 1
    while depth * made.weights(width + 1) <= weights:
        width += 1
    width = max(width // made.step * made.step, 2 * made.step)
    across = max(round(math.sqrt(points) * logarithmic(0.6, 1.6)), 2)
    return Shape(kind, (across, max(round(points / across), 2)), samples, width, depth)


def _size(shape: Shape) -> float:
    """Bytes of all inputs."""
    one = KINDS[shape.kind].inputs(1)
    return float(one.numel() * one.element_size() * shape.samples)


def _expected(shape: Shape) -> float:
    """Seconds of a plain loop, about."""
    made = KINDS[shape.kind]
    calls = math.ceil(shape.samples / BATCH) * shape.depth * made.tensors
    arithmetic = 2 * made.cost(shape.width, shape.depth) * shape.samples / FLOPS
    weights = shape.depth * made.weights(shape.width) * 12 / BANDWIDTH
    return shape.points * (arithmetic + weights + calls * CALL + shape.depth * made.tensors * CALL)


def problem_of(shape: Shape) -> Problem:
    """The network with random weights, its samples, and the mean of a loss over them."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        made = KINDS[shape.kind]
        model, inputs = made.network(shape.width, shape.depth).eval(), made.inputs(shape.samples)
        if shape.kind == "language-model":
            return Problem(shape.name, model, inputs, torch.randint(100, tuple(inputs.shape)), _next_token)
        return Problem(shape.name, model, inputs, torch.randint(10, (shape.samples,)), F.cross_entropy)


def _next_token(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
