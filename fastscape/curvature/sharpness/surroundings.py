"""The loss around one point of weight space: its gradient anywhere, and its values along directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.matrices import CurvatureMatrix, entries_of
from fastscape.model import Batch, Problem, at_rest, differs, loss_sum, twice_differentiable
from fastscape.weights import Layout

__all__ = ["Along", "Cost", "Losses", "Slope", "Surroundings"]

_CUT = 3
"""Samples of a batch when it is seen whether batches may be cut: few, and more than one, which may be special."""

Writer = Callable[[int, Tensor], None]
"""Writes direction k to a row [P] of a basis."""


class Losses(Protocol):
    """The mean losses at points along some directions."""

    def at(self, distances: Sequence[float]) -> np.ndarray:
        """The losses [distances, directions], float64, all directions together."""


Along = Callable[[int, Writer], AbstractContextManager[Losses]]
"""Makes the losses along the given number of directions."""


@dataclass
class Cost:
    """What was spent.

    Args:
        evaluations: Of the loss over all samples.
        gradients: Of the loss over all samples.
        products: With the Hessian of the loss over all samples.
    """

    evaluations: float = 0.0
    gradients: float = 0.0
    products: float = 0.0


@dataclass(frozen=True, eq=False)
class Slope:
    """The mean loss at a point, and how it rises there.

    Args:
        loss: The loss.
        gradient: By the numbers that move [n], float64, on the device.
    """

    loss: float
    gradient: Tensor


@dataclass(eq=False)
class Surroundings:
    """The mean loss around a model, as every measure of its sharpness reads it.

    Args:
        problem: What is evaluated; not lent.
        layout: What moves.
        theta: The model [P], a buffer of the layout.
        microbatch: Samples in one pass, where batches may be cut.
        along: Makes losses along directions.
        cost: What was spent, but for products; `along` tells it, too.
    """

    problem: Problem
    layout: Layout
    theta: Tensor
    microbatch: int
    along: Along
    cost: Cost = field(default_factory=Cost)

    @cached_property
    def entries(self) -> Tensor:
        """Where the n numbers that move stand in a buffer."""
        return entries_of(self.layout).to(self.theta.device)

    @cached_property
    def weights(self) -> Tensor:
        """The n numbers that move, float64, on the device."""
        return self.theta[self.entries].double()

    @cached_property
    def _batches(self) -> list[Batch]:
        return self.problem.batches(self.microbatch)

    @cached_property
    def here(self) -> Slope:
        """Loss and gradient at the model."""
        return self.slope(torch.zeros_like(self.weights))

    @property
    def loss(self) -> float:
        """The mean loss at the model, as all differences take it."""
        return self.here.loss if "here" in vars(self) else self._loss

    @cached_property
    def _loss(self) -> float:
        """Without a gradient, which the loss may not have."""
        with self.along(1, lambda k, row: None) as losses:
            return float(losses.at([0.0])[0, 0])

    @property
    def products(self) -> int:
        """Products with the Hessian so far."""
        return self.matrix.products if "matrix" in vars(self) else 0

    @cached_property
    def matrix(self) -> CurvatureMatrix:
        """The Hessian of the loss at the model."""
        return CurvatureMatrix(self.problem, self.layout, self.theta, self.microbatch)

    def groups(self, samples: int) -> list[list[Batch]]:
        """The samples in groups, each of so many, in microbatches.

        Args:
            samples: In a group at most. Batches that cannot be cut are groups of their own.

        Returns:
            The microbatches of each group.
        """
        if not self.may_be_cut:
            return [[batch] for batch in self._batches]
        return [
            [batch.part(start, start + self.microbatch) for start in range(0, batch.samples, self.microbatch)]
            if batch.divisible
            else [batch]
            for batch in self.problem.free().batches(samples)
        ]

    def samples_in(self, batches: Sequence[Batch]) -> float:
        """The number of samples, by weight, over which the losses of some batches are a mean."""
        return float(self.problem.objective.counts(batches).flatten()[0])

    @cached_property
    def may_be_cut(self) -> bool:
        """Whether the losses of small batches add up to those of the data; of few samples nobody has looked yet."""
        problem = self.problem
        if not problem.whole:
            return True
        if problem.batchnorm != "running" or problem.footprint is None or problem.footprint.draws:
            return False
        tensors = self.layout.unflatten(self.theta)
        try:
            parts, given = problem.free().total(tensors, _CUT), problem.total(tensors, self.microbatch)
        except Exception:  # the model wants batches of one size
            return False
        self.cost.evaluations += 2
        return not differs(parts, given, problem.counts, problem.narrowest)

    def slope(self, move: Tensor, batches: Sequence[Batch] | None = None) -> Slope:
        """The mean loss and its gradient at some distance from the model.

        Args:
            move: What is added to the numbers that move [n].
            batches: Over which samples. Default: all.

        Returns:
            Both; summed over microbatches in float64, each from a fresh state.

        Raises:
            ValueError: When the loss has no gradient.
        """
        there = self.theta.clone()
        there[self.entries] += move.to(there)
        used = self._batches if batches is None else batches
        samples = self.samples_in(used)
        total = torch.zeros(len(self.entries), dtype=torch.float64, device=self.theta.device)
        loss = 0.0
        for index, batch in enumerate(used):
            at_rest()  # for signals
            one, gradient = self._of_batch(there, batch, index)
            loss += one
            total += gradient[self.entries]
        self.cost.gradients += sum(batch.samples for batch in used) / self.problem.size
        return Slope(loss / samples, total / samples)

    def _of_batch(self, at: Tensor, batch: Batch, index: int) -> tuple[float, Tensor]:
        leaf = at.detach().clone().requires_grad_()
        with twice_differentiable(self.problem):  # what has second derivatives has first ones on every device
            loss = loss_sum(self.problem, {**self.problem.fixed(), **self.layout.unflatten(leaf)}, batch, index)
            if not loss.requires_grad:
                raise ValueError(
                    "the loss has no gradient by the weights: it is computed without one, or does not depend on them; "
                    "write measures=['random_directions', 'pac_bayes_sigma'], which need none"
                )
            (gradient,) = torch.autograd.grad(loss, [leaf], allow_unused=True, materialize_grads=True)
        return float(loss.detach()), gradient.double()
