"""Losses of which the valley is known, pairs of small trained networks, and a training of a curve that is killed."""

from __future__ import annotations

import copy
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fastscape
from fastscape.paths import Keeping

STEPS = 20
"""Of the training of each of a pair."""

ENDS = 2 * STEPS

POINTS = torch.zeros(8, 1), torch.zeros(8)


class Ring(nn.Module):
    """The loss (|w|^2 - 1)^2 of two weights: a valley around a hill of height 1."""

    def __init__(self, *w: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(w))

    def forward(self, x: Tensor) -> Tensor:
        return (self.w.square().sum() - 1).square().expand(len(x))


class Bowl(Ring):
    """The loss |w|^2, of which every straight line is low between its ends."""

    def forward(self, x: Tensor) -> Tensor:
        return self.w.square().sum().expand(len(x))


def itself(outputs: Tensor, _: Tensor) -> Tensor:
    """The loss of a model that computes it."""
    return outputs


def network(**options: Any) -> nn.Module:
    """A small network with batch normalisation and dropout."""
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 3), **options)


def pair(make: Any = network, seed: int = 0, count: int = 70) -> tuple[nn.Module, nn.Module, tuple[Tensor, Tensor]]:
    """Two networks after some steps of a training each, and their samples."""
    torch.manual_seed(seed)
    data = torch.randn(count, 5), torch.randint(3, (count,))
    found = []
    for _ in range(2):
        model = make()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(STEPS):
            optimizer.zero_grad()
            F.cross_entropy(model(data[0]), data[1]).backward()
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        found.append(model.eval())
    return found[0], found[1], data


def kept(folder: Path | None, curve: str = "bezier", **options: Any) -> fastscape.Curve:
    """The curve that all trainings with a store are of."""
    a, b, data = pair()
    chosen = {"bends": 2, "epochs": 12, "batch_size": 16, "optimizer": adam, "seed": 3, **options}
    return fastscape.connect(a, b, data, curve=curve, store=folder, progress=False, **chosen)


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """An optimizer that keeps two moments."""
    return torch.optim.Adam(parameters, lr=0.02, amsgrad=True, weight_decay=1e-3)


def writes_often() -> None:
    """From now on the state is kept after every step."""
    Keeping.due = lambda self: True


def killed_after(folder: Path, curve: str, writes: int) -> None:
    """What a process does: it trains until its state was written so many times, and kills itself."""
    torch.set_num_threads(1)
    keep, left = Keeping.keep, [writes]
    writes_often()

    def dying(self: Keeping, moving: Any, step: int) -> None:
        keep(self, moving, step)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    Keeping.keep = dying
    kept(folder, curve)


def slowly(folder: Path, curve: str) -> None:
    """What a process does that somebody kills: it takes its time in every step."""
    torch.set_num_threads(1)
    writes_often()
    step = torch.optim.Adam.step

    def slow(self: Any, *given: Any) -> Any:
        time.sleep(0.01)
        return step(self, *given)

    torch.optim.Adam.step = slow
    kept(folder, curve)


def interrupted(folder: Path, answer: Any) -> None:
    """What a process does to which Ctrl-C comes: it says how it ended."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    step, taken = torch.optim.Adam.step, [0]

    def counted(self: Any, *given: Any) -> Any:
        taken[0] += 1
        if taken[0] == ENDS + 17:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *given)

    torch.optim.Adam.step = counted
    try:
        kept(folder)
    except KeyboardInterrupt:
        answer.send(taken[0] - ENDS)
    else:
        answer.send(None)


def copied(model: nn.Module, size: float = 0.5) -> nn.Module:
    """A copy whose parameters are moved at random."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += size * torch.randn_like(parameter)
    return other
