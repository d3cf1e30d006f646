"""Trainings for the pictures of paths: a network, two optimizers from the same weights, and what they record."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import fastscape
from fastscape.zoo import datasets, models

ROOT = Path(__file__).parent.parent
BATCH, RECORDS = 64, 60
SAMPLES = 512  # of the surface

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "SGD": lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    "Adam": lambda parameters: torch.optim.Adam(parameters, lr=1e-3),
}


class Task(NamedTuple):
    """What is trained.

    Args:
        model: The network before the first step.
        inputs: Of the training set.
        targets: Likewise.
        loss: The mean over a batch.
        epochs: Passes over the training set.
    """

    model: nn.Module
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]
    epochs: int


class LanguageModel(nn.Module):
    """A small causal transformer over bytes."""

    def __init__(self, width: int = 48, layers: int = 2, tokens: int = 128, length: int = 48) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(width, tokens)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, tokens: Tensor) -> Tensor:
        """The scores [n, length, tokens] of the next byte at every place."""
        return self.head(self.layers(self.embedding(tokens) + self.place, mask=self.mask, is_causal=True))


def digits(name: str, epochs: int) -> Task:
    """A network of the zoo on scikit-learn's digits."""
    train_set = datasets.load("digits")
    network = models.build(name, seed=0, **datasets.describe(train_set)._asdict())
    return Task(network, *train_set.tensors, F.cross_entropy, epochs)


def language(length: int = 48) -> Task:
    """A language model on the pages of this documentation, byte by byte."""
    text = b"".join(page.read_bytes() for page in sorted(ROOT.glob("*.md")))
    tokens = torch.tensor([byte for byte in text if byte < 128])
    rows = tokens[: (len(tokens) - 1) // length * length].reshape(-1, length)
    after = tokens[1 : 1 + rows.numel()].reshape(-1, length)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LanguageModel(length=length)
        order = torch.randperm(len(rows))[:2048]
    return Task(model, rows[order], after[order], next_byte, 6)


def next_byte(scores: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy of the next byte, of each sequence [n]."""
    return F.cross_entropy(scores.transpose(1, 2), targets, reduction="none").mean(1)


def trained(task: Task, optimizer: Callable[[Any], torch.optim.Optimizer], folder: Path) -> nn.Module:
    """Trains a copy of the network, and records it at some sixty steps."""
    model, shuffler = copy.deepcopy(task.model).train(), torch.Generator().manual_seed(0)
    steps = task.epochs * -(-len(task.inputs) // BATCH)
    chosen, step = optimizer(model.parameters()), 0
    with fastscape.Recorder(folder, every=max(steps // RECORDS, 1)) as recorder:
        recorder.record(model, 0, epoch=0.0)
        for _ in range(task.epochs):
            for batch in torch.randperm(len(task.inputs), generator=shuffler).split(BATCH):
                chosen.zero_grad()
                task.loss(model(task.inputs[batch]), task.targets[batch]).mean().backward()
                chosen.step()
                step += 1
                recorder.record(model, step, epoch=task.epochs * step / steps)
        recorder.keep(model)
    return model.eval()


def path_landscape(task: Task) -> fastscape.Landscape:
    """Both trainings on the plane in which their checkpoints differ most, around the end of the first."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {name: Path(folder) / name for name in OPTIMIZERS}
        ends = [trained(task, OPTIMIZERS[name], run) for name, run in runs.items()]
        data = task.inputs[:SAMPLES], task.targets[:SAMPLES]
        directions = fastscape.pca(runs, evaluated=40)
        return fastscape.surface(ends[0], data, loss=task.loss, directions=directions, tolerance=0.01)
