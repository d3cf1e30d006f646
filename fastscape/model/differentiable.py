"""The loss of a problem as a function that torch can differentiate, also more than once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends.mha import get_fastpath_enabled, set_fastpath_enabled
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from fastscape.model.data import Batch
from fastscape.model.problem import Problem

__all__ = ["loss_sum", "of_first_set", "twice_differentiable"]


def of_first_set(problem: Problem) -> Problem:
    """The problem on its first data set alone, without classes: its mean loss is the "loss" of a landscape.

    Args:
        problem: The problem.

    Returns:
        The problem; the same object if there is one set and no class.
    """
    if not problem.objective.columns.several:
        return problem
    samples = [batch for batch in problem.samples if not batch.of]
    return replace(problem, samples=samples, objective=problem.objective.plain)


class _Plainly(TorchFunctionMode):
    """Uses the definition of a weight norm: the fused one's backward pass treats the norms as constants."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch._weight_norm:
            return _weight_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    return v * (g / torch.norm_except_dim(v, 2, dim))


@contextmanager
def twice_differentiable(problem: Problem) -> Iterator[None]:
    """Makes torch use operations that have second derivatives; values differ by rounding.

    Fused attention has no second derivatives, and neither have the recurrent layers of cuDNN and oneDNN. The second
    derivatives of the fused weight norm are wrong.

    Args:
        problem: The problem that is evaluated inside.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        stack.callback(set_fastpath_enabled, get_fastpath_enabled())
        set_fastpath_enabled(False)
        if problem.layers.recurrent:
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.callback(setattr, torch.backends.mkldnn, "enabled", torch.backends.mkldnn.enabled)
            setattr(torch.backends.mkldnn, "enabled", False)  # noqa: B010 - its `flags` sets more, and warns about it
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_Plainly())
        yield


def loss_sum(
    problem: Problem, weights: Mapping[str, Tensor], batch: Batch, index: int, *, model: nn.Module | None = None
) -> Tensor:
    """The sum of the losses over one microbatch from a fresh state, as a function of the weights.

    The loss is the loss of the first data set: a microbatch of another set gives 0, without an evaluation.
    `of_first_set` gives the problem that has only the microbatches of the first set.

    Args:
        problem: The problem. Its footprint is known, and its model is not lent.
        weights: All parameters and buffers, by name. Tensors to differentiate by must require gradients, or be dual
            numbers of `torch.func`.
        batch: The microbatch.
        index: Its number, from which the generators are seeded.
        model: A copy of the module; default: the problem's own.

    Returns:
        The sum [], float64, with the graph that leads to it.
    """

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        found: Tensor = problem.at(model, weights, problem.objective.loss_sum, content, samples)
        return found

    if batch.of:
        return _zero(weights)
    return problem.evaluated(weights, batch, index, model=model, measure=measure)


def _zero(weights: Mapping[str, Tensor]) -> Tensor:
    """0 with a graph that leads to the weights."""
    moving = [t for t in weights.values() if t.is_floating_point() or t.is_complex()]
    return torch.stack([t.flatten()[:0].sum().real.double() for t in moving]).sum()
