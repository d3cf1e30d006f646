"""Points that are made in the user's own model, tensor by tensor, with no other weights in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.engine.plan import Plan
from fastscape.model import Problem
from fastscape.weights import Space, Tensorwise

__all__ = ["EngineInPlace"]


class EngineInPlace(Engine):
    """One problem, of a lent model, whose points are written over the model one by one.

    Each tensor of the model is written once for a point, in parts of bounded size; the evaluation of a batch writes
    again only what the batch before has changed.

    Args:
        problem: What is evaluated.
        space: The space of the points, with a basis whose vectors are never whole in memory.
        plan: How to evaluate.

    Raises:
        ValueError: When the plan wants the weights of several points, or patches, in memory.
    """

    def __init__(self, problem: Problem, space: Space, plan: Plan) -> None:
        if plan.batching == "vmap" or plan.hoist or plan.graphs or plan.overlap:
            raise ValueError(
                "low_memory=True with lend=True has the weights of one point in memory, those of your model; write a "
                "plan with batching='loop', hoist=False, graphs=False and overlap=False"
            )
        super().__init__(problem, space, plan)

    def _evaluated(self, points: Tensor) -> Tensor:
        """The sums [g, measures] at some points."""
        vectors = self._points.space.basis.vectors
        assert isinstance(vectors, Tensorwise)  # who chose this engine has looked
        return torch.stack(
            [self._point(vectors.tensors(c), self._models[0]) for c in self._points.coefficients(points)]
        )
