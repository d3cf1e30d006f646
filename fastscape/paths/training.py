"""Trains the bends of a curve between two models, with any optimizer, to lower the loss along the curve.

Everything random follows from the seed and the number of the step: the batch, the position on the curve, and the
random numbers of the model. So an interrupted training resumes with the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from fastscape.model import Batch, Problem, loss_sum, twice_differentiable
from fastscape.paths.band import forces
from fastscape.paths.batches import Batches
from fastscape.paths.shapes import SHAPES, ShapeName
from fastscape.weights import Layout

__all__ = ["MakesOptimizer", "MakesScheduler", "Moving", "Task", "started", "stepped"]

MakesOptimizer: TypeAlias = Callable[[list[nn.Parameter]], Optimizer]
MakesScheduler: TypeAlias = Callable[[Optimizer, int], LRScheduler]

PLACE = 0
"""Separates the random numbers of a step from the random numbers of an order."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is trained.

    Args:
        problem: What is evaluated, in the mode of the training.
        layout: What moves.
        ends: Both models [2, P], in the dtype of the basis.
        shape: The name of the curve's shape.
        bends: Number of control points that are trained.
        batches: The batches of the steps.
        steps: Number of steps.
        seed: Seed of everything random.
        spring: Stiffness of the springs of a band.
    """

    problem: Problem
    layout: Layout
    ends: Tensor
    shape: ShapeName
    bends: int
    batches: Batches
    steps: int
    seed: int
    spring: float

    @property
    def on_the_way(self) -> Tensor:
        """The initial bends [bends, P], at equal distances on the straight line."""
        t = torch.arange(1, self.bends + 1, dtype=self.ends.dtype, device=self.ends.device) / (self.bends + 1)
        first, last = self.ends
        return first + t[:, None] * (last - first)


@dataclass(eq=False)
class Moving:
    """The state of a training.

    Args:
        bends: The bends, one parameter [bends, P].
        optimizer: The optimizer of the bends.
        scheduler: The scheduler of the learning rate.
        losses: The loss of each step so far.
    """

    bends: nn.Parameter
    optimizer: Optimizer
    scheduler: LRScheduler
    losses: list[float]

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.optimizer.param_groups[0]["lr"])


class _Slope(NamedTuple):
    """The mean loss of a batch at a point, and its gradient [P]."""

    loss: float
    gradient: Tensor


def started(task: Task, optimizer: MakesOptimizer, scheduler: MakesScheduler) -> Moving:
    """A training before its first step.

    Args:
        task: The task.
        optimizer: Makes the optimizer of a list with one parameter.
        scheduler: Makes the scheduler of the learning rate, from the optimizer and the number of steps.

    Returns:
        The training.

    Raises:
        TypeError: When either function returns something else.
        ValueError: When an optimizer cannot be used: it needs a closure, or moves something else.
    """
    bends = nn.Parameter(task.on_the_way)
    made: Any = optimizer([bends])
    if not isinstance(made, Optimizer):
        raise TypeError(
            f"optimizer= must return a torch.optim.Optimizer, got {type(made).__name__}; for example optimizer=lambda "
            "params: torch.optim.Adam(params, lr=1e-3)"
        )
    moved = [parameter for group in made.param_groups for parameter in group["params"]]
    if len(moved) != 1 or moved[0] is not bends:
        raise ValueError(
            f"optimizer= returned one of {len(moved)} parameters that are not the bends; let it take what it gets: "
            "optimizer=lambda params: torch.optim.Adam(params, lr=1e-3)"
        )
    if isinstance(made, torch.optim.LBFGS):
        raise ValueError(
            "LBFGS evaluates a batch several times in a step; write another, for example torch.optim.Adam"
        )
    changes: Any = scheduler(made, task.steps)
    if not isinstance(changes, LRScheduler) or isinstance(changes, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise TypeError(
            f"scheduler= must return a scheduler that needs no losses, got {type(changes).__name__}; for example "
            "scheduler=lambda optimizer, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)"
        )
    return Moving(bends, made, changes, [])


def stepped(task: Task, moving: Moving, step: int) -> None:
    """Computes the gradient of a step; afterwards `Moving.optimizer` moves the bends.

    Args:
        task: The task.
        moving: The bends, whose gradient is set.
        step: The number of the step, from 0.

    Raises:
        ValueError: When the loss, or its gradient, is not finite.
    """
    gradient = torch.zeros_like(moving.bends)
    if task.shape == "band":
        loss = _along_band(task, moving, step, gradient)
    else:
        loss = _somewhere(task, moving, step, gradient)
    moving.bends.grad = gradient
    moving.losses.append(loss)


def _somewhere(task: Task, moving: Moving, step: int, gradient: Tensor) -> float:
    """The loss at one point of the curve; the gradient of bend k is C_k(t) times the gradient at the point."""
    t = float(np.random.default_rng([task.seed, PLACE, step]).random())
    place = torch.tensor([t], dtype=torch.float64, device="cpu")
    (c,) = SHAPES[task.shape](place, task.bends + 1).tolist()
    first, last = task.ends
    point = first * c[0]
    for part, bend in zip(c[1:], [*moving.bends.detach(), last], strict=True):
        point.add_(bend, alpha=part)
    found = _slope(task, point, task.batches.at(step), step)
    _check_finite(task, moving, step, found, f"t = {t:.3f}, ")
    for row, part in zip(gradient, c[1:-1], strict=True):
        row.copy_(found.gradient).mul_(part)
    return found.loss


def _along_band(task: Task, moving: Moving, step: int, gradient: Tensor) -> float:
    """The mean loss of the images, and the forces on them; all images use the same batch."""
    first, last = task.ends
    images, batch = list(moving.bends.detach()), task.batches.at(step)
    slopes = []
    for k, image in enumerate(images, start=1):
        slopes.append(_slope(task, image, batch, step))
        _check_finite(task, moving, step, slopes[-1], f"image {k}, ")
    ends = [_slope(task, end, batch, step, wanted=False).loss for end in (first, last)]
    losses = [slope.loss for slope in slopes]
    pulls = forces(
        [first, *images, last], [ends[0], *losses, ends[1]], [slope.gradient for slope in slopes], task.spring
    )
    for row, pull in zip(gradient, pulls, strict=True):
        row.copy_(pull)
    return sum(losses) / len(losses)


def _slope(task: Task, point: Tensor, batch: Batch, step: int, *, wanted: bool = True) -> _Slope:
    """The mean loss of the batch of a step at a point [P], and its gradient on request."""
    problem = task.problem
    leaf = point.detach().requires_grad_(wanted)
    # The recurrent layers of cuDNN have gradients only in training mode.
    gradients = twice_differentiable(problem) if problem.layers.recurrent else torch.enable_grad()
    with gradients:
        weights = {**problem.still, **task.layout.unflatten(leaf.to(problem.dtype))}
        loss = loss_sum(problem, weights, batch, step) / batch.samples
        if not wanted:
            return _Slope(float(loss.detach()), leaf)
        if not loss.requires_grad:
            raise ValueError(
                "the loss has no gradient by the weights: it is computed without one, or does not depend on what "
                "moves; give a smooth loss, or another perturb="
            )
        (gradient,) = torch.autograd.grad(loss, [leaf], allow_unused=True, materialize_grads=True)
    return _Slope(float(loss.detach()), gradient)


def _check_finite(task: Task, moving: Moving, step: int, found: _Slope, where: str) -> None:
    """Refuses to continue from a loss or gradient that is not finite."""
    if math.isfinite(found.loss) and bool(found.gradient.isfinite().all()):
        return
    what = f"the loss is {found.loss}" if not math.isfinite(found.loss) else "the gradient of the loss is not finite"
    raise ValueError(
        f"{what} in step {step + 1} of {task.steps} ({where}lr = {moving.rate:.3g}); write a smaller learning rate, "
        f"for example lr={moving.rate / 10:.2g}"
    )
