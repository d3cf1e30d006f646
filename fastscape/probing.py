"""What evaluations of a few batches show of a problem, before a grid is evaluated."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fastscape.data import Batch
from fastscape.isolation import seed_everything
from fastscape.problem import Problem

__all__ = ["batch_dependence", "draws_random_numbers", "widest"]


@torch.no_grad()
def batch_dependence(problem: Problem, tensors: Mapping[str, Tensor], microbatch: int) -> float:
    """How far the measures are from being means over samples, at one point.

    Every batch is evaluated whole and in two halves, and so are the halves of neighbouring batches together. For
    a mean over samples whose outputs do not depend on the rest of the batch, the sums agree to rounding; they
    differ for class weights and ignored targets in a scalar loss, for batch statistics, and for random outputs.

    Args:
        problem: What is evaluated.
        tensors: The tensors that move, by name.
        microbatch: Samples in a microbatch.

    Returns:
        The largest difference, as a fraction of the sum; infinite when a part is not finite but the whole is.
    """
    weights = {**problem.parameters, **tensors}
    largest = 0.0
    before: tuple[Batch, Tensor] | None = None
    for batch in problem.batches(microbatch):
        if batch.samples < 2 or not batch.divisible:
            continue
        first, second = batch.part(0, batch.samples // 2), batch.part(batch.samples // 2, batch.samples)
        whole = problem.step(weights, batch, 0)
        sums = [problem.step(weights, half, 0) for half in (first, second)]
        largest = max(largest, _difference(whole, sums[0] + sums[1], batch.samples))
        if before and before[0].fits(first):
            across = before[0].joined(first)
            whole = problem.step(weights, across, 0)
            largest = max(largest, _difference(whole, before[1] + sums[0], across.samples))
        before = second, sums[1]
    return largest


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
    before = _generators(problem.device)
    problem.step({**problem.parameters, **tensors}, batch, 0)
    return before != _generators(problem.device)


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


def _generators(device: torch.device) -> tuple[object, ...]:
    """The states of the global generators, to be compared."""
    gpu = torch.cuda.get_rng_state(device).numpy().tobytes() if device.type == "cuda" else b""
    numpy = str(np.random.get_state(legacy=False))  # noqa: NPY002 - models draw from the legacy global generator
    return torch.get_rng_state().numpy().tobytes(), gpu, random.getstate(), numpy


def _difference(whole: Tensor, parts: Tensor, samples: int) -> float:
    """The largest relative difference between sums [measures] over the whole and over its parts."""
    # Below 1e-3 a loss may be all rounding: log-softmax subtracts nearly equal numbers.
    relative = (parts - whole).abs() / (whole.abs() + 1e-3 * samples)
    return max([0.0, *relative[whole.isfinite()].nan_to_num(nan=torch.inf).tolist()])
