"""Evaluates points that are written into the user's own model, tensor by tensor, with no other weights in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.engine.plan import Plan
from fastscape.model import Problem
from fastscape.weights import Space, Tensorwise

__all__ = ["EngineInPlace"]


class EngineInPlace(Engine):
    """An engine for a lent model, which writes the points over the model one by one.

    It writes each tensor of the model once per point, in parts of bounded size. For a further batch, it writes again
    only the tensors that the previous batch has changed.

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
        assert isinstance(vectors, Tensorwise)  # `engine_for` has checked it
        return torch.stack(
            [self._point(vectors.tensors(c), self._models[0]) for c in self._points.coefficients(points)]
        )
