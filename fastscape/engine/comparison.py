"""A plan is compared with a plain evaluation at one point before it is followed."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine.engine import Engine
from fastscape.model import Problem, differs
from fastscape.weights import Space

__all__ = ["Comparison"]


class Comparison:
    """What a plain evaluation gives at one point far from the model.

    Args:
        far: Its sums [measures] at the point of which every coordinate is 1. Default: they are evaluated at the first
            comparison.
        few: The problem with those samples that they are over. Default: those of the problem that is evaluated.
    """

    def __init__(self, far: Tensor | None = None, few: Problem | None = None) -> None:
        self._far, self._few = far, few

    def check(self, engine: Engine, problem: Problem, space: Space, microbatch: int) -> None:
        """Refuses an engine that does not give the values of a plain evaluation, beyond rounding.

        Args:
            engine: Evaluates by a plan. What it has compiled or captured is for batches of all samples; else few
                suffice.
            problem: What is evaluated.
            space: Where the points lie.
            microbatch: Samples of a microbatch in a plain evaluation.

        Raises:
            ValueError: When it gives others.
        """
        point = torch.ones(1, space.basis.gram.shape[2] - 1, dtype=torch.float64, device="cpu")
        if engine.plan.compile or engine.plan.graphs:
            self._few, self._far = None, self._far if self._few is None else None
        compared = self._few or problem
        if self._few is None:
            found = engine.sums(point)[0]
        else:
            engine.exchange(self._few)
            found = engine.sums(point)[0]
            engine.exchange(problem)
        if self._far is None:
            self._far = compared.total(space.at(point, compared.place), microbatch)
        if differs(found, self._far, compared.size, compared.narrowest):
            raise ValueError(
                f"by this plan the loss at a point is {float(found[0]) / compared.size:.6g}, and by a plain loop "
                f"{float(self._far[0]) / compared.size:.6g}; leave out plan, or write plan=Plan('loop')"
            )
