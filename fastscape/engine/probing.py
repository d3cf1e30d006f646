"""What the evaluation of one batch shows of a problem: how large its tensors are, and whether it draws numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastscape.model import Problem, generators_of, seed_everything

__all__ = ["draws_random_numbers", "widest"]


@torch.no_grad()
def widest(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> int:
    """How large the tensors are that an evaluation of the first microbatch makes, at one point.

    Args:
        problem: What is evaluated.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        Bytes of the largest.
    """
    (batch, *_) = problem.batches(microbatch)
    watching = _Widest()

    def watched(*arguments: Any) -> Tensor:  # not the copy of the inputs, which all points share
        with watching:
            return problem.measure(*arguments)

    problem.step({**problem.parameters, **tensors}, batch, 0, measure=watched)
    return watching.bytes


@torch.no_grad()
def draws_random_numbers(problem: Problem, tensors: Mapping[str, Tensor]) -> bool:
    """Whether an evaluation moves a global random number generator.

    Args:
        problem: What is evaluated.
        tensors: The tensors that move, by name.

    Returns:
        Whether it does.
    """
    (batch, *_) = problem.batches(2)
    seed_everything(problem.device, 0)
    before = generators_of(problem.device)
    problem.step({**problem.parameters, **tensors}, batch, 0)
    return before != generators_of(problem.device)


class _Widest(TorchDispatchMode):
    """Watches how large the tensors are that operations make; views of others are not made."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            sizes = [t.numel() * t.element_size() for t in tree_leaves(made) if isinstance(t, Tensor)]
            self.bytes = max([self.bytes, *sizes])
        return made
