"""Adds the eigenvalues of the Hessian of the loss to the values that a plan evaluates.

Eigenvalues are no sums over samples, so they are computed point by point, each over all samples of the problem. The
objective of the problem has the function that computes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.further import FurtherEngine, rows_at
from fastscape.model import at_rest
from fastscape.weights import Space

__all__ = ["EigenvalueEngine"]


class EigenvalueEngine(FurtherEngine):
    """An engine that adds the eigenvalues of the Hessian. See `FurtherEngine`."""

    def prepare(self) -> None:
        """Prepares the Hessian."""
        eigenvalues = self.problem.objective.eigenvalues
        assert eigenvalues is not None  # checked before this engine is made
        self._at = eigenvalues.of(self.problem, self.space.layout, self.plan.microbatch)
        self._samples = float(self.problem.counts.flatten()[0])  # by which sums are divided

    def values(self, space: Space, points: Tensor) -> Tensor:
        """The eigenvalues at some points. See `FurtherEngine.values`."""
        found = []
        for coefficients in space.coefficients(points).split(1):
            at_rest()  # for signals, which arrive between two points
            found.append(self._at(rows_at(self.problem, space, coefficients)[0]) * self._samples)
        return torch.stack(found)
