"""Evaluates one batch of a problem to find how large its tensors are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastscape.model import Problem

__all__ = ["widest"]


@torch.no_grad()
def widest(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> int:
    """The size of the largest tensor that an evaluation of a microbatch makes at one point, by the first microbatch.

    Args:
        problem: What is evaluated.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        Bytes of the largest tensor; 0 if the evaluation cannot be watched.
    """
    (batch, *_) = problem.batches(microbatch)
    watching = _Widest()

    def watched(*arguments: Any) -> Tensor:  # not the copy of the inputs, which all points share
        with watching:
            return problem.measure(*arguments)

    try:
        problem.step({**problem.still, **tensors}, batch, 0, measure=watched)
    except Exception:  # compiled code inside a model may refuse to be watched
        return 0
    return watching.bytes * max(microbatch // batch.samples, 1)


class _Widest(TorchDispatchMode):
    """Watches how large the tensors are that operations make; views do not count."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not getattr(func, "is_view", False):  # an operator of higher order has no `is_view`
            sizes = [t.numel() * t.element_size() for t in tree_leaves(made) if isinstance(t, Tensor)]
            self.bytes = max([self.bytes, *sizes])
        return made
