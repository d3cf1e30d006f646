"""Adds further values of the loss, such as its derivatives, to the measures that a plan evaluates.

The plan's own engine evaluates the measures, so the further values do not change them.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.kernels import interpolate
from fastscape.model import Problem
from fastscape.weights import Space, Tensorwise

__all__ = ["FurtherEngine", "rows_at"]


class FurtherEngine(Engine):
    """An engine that puts further values of points between the measures and the moments of the loss.

    It evaluates only the further values itself, so it skips what an `Engine` prepares.

    Args:
        measures: The engine that evaluates the measures by a plan, and possibly other further values.
        problem: What is evaluated.
        space: The space of the points, in the memory format of the plan.
    """

    def __init__(self, measures: Engine, problem: Problem, space: Space) -> None:
        self.measures, self.problem, self.plan, self.space = measures, problem, measures.plan, space
        self.prepare()

    def exchange(self, problem: Problem) -> None:
        """Continues with different samples. See `Engine.exchange`."""
        self.measures.exchange(problem)
        self.problem = problem
        self.prepare()

    def close(self) -> None:
        """Ends the workers."""
        self.measures.close()

    @property
    def fallback(self) -> str | None:
        """Why points are not evaluated by the plan. See `Engine.fallback`."""
        return self.measures.fallback

    def sums(self, points: Tensor) -> Tensor:
        """The sums over all samples at some points.

        Args:
            points: Grid coordinates [g, D], at most `plan.chunk` of them.

        Returns:
            Sums [g, measures, further values, moments], float64, on the device.
        """
        found = self.measures.sums(points)
        named = found.shape[1] - self.problem.objective.moments
        further = torch.cat([self.values(self.space.of_repeat(k), own) for k, own in self.space.by_repeat(points)])
        return torch.cat([found[:, :named], further.to(found), found[:, named:]], dim=1)

    def products(self) -> float:
        """The share of products in the measures. See `Engine.products`."""
        return self.measures.products()

    @abstractmethod
    def prepare(self) -> None:
        """Prepares what all points need, for the samples of the problem."""

    @abstractmethod
    def values(self, space: Space, points: Tensor) -> Tensor:
        """The further values at some points, times the number of samples, as sums are.

        Args:
            space: The space of the points.
            points: Grid coordinates [g, D].

        Returns:
            Values [g, further values], float64.
        """


def rows_at(problem: Problem, space: Space, coefficients: Tensor) -> Tensor:
    """The weights of points, or derivatives of weights along the axes: one row for each set of coefficients.

    Args:
        problem: What is evaluated.
        space: The space of the points.
        coefficients: Of the vectors of the basis [R, S or 1, K].

    Returns:
        Rows [R, P] in the dtype of the problem, on its device.
    """
    vectors, place = space.basis.vectors, problem.place
    assert not isinstance(vectors, Tensorwise)  # belongs to a lent model, which is never differentiated
    rows = torch.empty(len(coefficients), vectors.shape[1], dtype=problem.dtype, device=vectors.device)
    interpolate(vectors, coefficients.to(rows.device), space.layout.segments, out=rows, backend=place.backend)
    return rows
