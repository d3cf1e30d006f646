"""What fastscape is compared with: the naive loop, and other packages as their users call them.

Every rival walks a square grid of `steps` points a side on one problem and returns the losses. A package that is not
installed, or that fails, is reported as such and not left out in silence.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import torch
from torch import Tensor

import fastscape
from benchmarks.problems import Problem
from fastscape import reference
from fastscape.weights import direction_random, layout_of

BATCH = 64  # samples in a batch, where a rival takes a loader

Directions = tuple[Mapping[str, Tensor], Mapping[str, Tensor]]


class Unavailable(Exception):
    """The rival cannot run here."""


def directions(problem: Problem) -> Directions:
    """Two filter-normalised directions, the same for every rival that takes directions."""
    layout = layout_of(problem.model)
    d1, d2 = (
        reference.filter_normalised(layout.unflatten(direction_random(layout, 0, k).float()), problem.model)
        for k in (0, 1)
    )
    return d1, d2


def ours(problem: Problem, pair: Directions, steps: int, precision: str = "float32") -> fastscape.Landscape:
    """The whole surface, planning and compilation included."""
    axis = (-1.0, 1.0, steps)
    data = problem.inputs, problem.targets
    options: dict[str, Any] = {"loss": problem.loss, "x": axis, "y": axis, "precision": precision, "progress": False}
    return fastscape.surface(problem.model, data, directions=pair, **options)


def naive(problem: Problem, pair: Directions, steps: int) -> np.ndarray:
    """The double loop of the notebooks: weights of a point tensor by tensor, then one forward pass."""
    axis = np.linspace(-1, 1, steps).tolist()
    return reference.surface_naive(problem.model, problem.inputs, problem.targets, pair, axis, axis, loss=problem.loss)


def loss_landscapes(problem: Problem, pair: Directions, steps: int) -> np.ndarray:
    """`random_plane` of loss-landscapes, which draws directions of its own."""
    package = _package("loss-landscapes", "loss_landscapes")
    metrics = _package("loss-landscapes", "loss_landscapes.metrics")
    metric = metrics.Loss(problem.loss, problem.inputs, problem.targets)
    with torch.no_grad():
        return package.random_plane(problem.model, metric, 1, steps, normalization="filter", deepcopy_model=True)


def loss_landscape_3d(problem: Problem, pair: Directions, steps: int) -> np.ndarray:
    """`LossLandscapeCalculator.calculate` of loss-landscape-3d, with batches that are already in memory."""
    package = _package("loss-landscape-3d", "loss_landscape_3d.calculator")
    model = copy.deepcopy(problem.model)
    centre = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = list(zip(problem.inputs.split(BATCH), problem.targets.split(BATCH), strict=True))
    axis = np.linspace(-1, 1, steps)
    calculator = package.LossLandscapeCalculator(model, batches, problem.loss)
    return calculator.calculate(axis, axis, *map(dict, pair), centre)


def landscaper(problem: Problem, pair: Directions, steps: int) -> np.ndarray:
    """`compute_loss_landscape` of landscaper, which rescales directions to a reach of its own."""
    package = _package("landscaper", "landscaper.compute")
    model = copy.deepcopy(problem.model)

    def scalar(model: torch.nn.Module, data: tuple[Tensor, Tensor]) -> float:
        return problem.loss(model(data[0]), data[1]).item()

    vectors = [[d.get(name, torch.zeros_like(p)).clone() for name, p in model.named_parameters()] for d in pair]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        data = problem.inputs, problem.targets
        losses, _ = package.compute_loss_landscape(
            model, data, vectors, scalar, steps=steps, distance=1.0, dim=2, device="cpu"
        )
    return losses


RIVALS: dict[str, Callable[[Problem, Directions, int], np.ndarray]] = {
    "naive loop": naive,
    "loss-landscapes": loss_landscapes,
    "loss-landscape-3d": loss_landscape_3d,
    "landscaper": landscaper,
}
"""By name. The first is the reference of all ratios."""


def version(name: str) -> str | None:
    """The version of a rival's package, or None for code of our own."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _package(name: str, module: str):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(f"{name} is not installed or cannot be imported ({error})") from error
