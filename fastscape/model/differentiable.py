"""The loss of a problem as something that torch can differentiate, more than once if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fastscape.model.data import Batch
from fastscape.model.problem import Problem

__all__ = ["loss_sum", "twice_differentiable"]


@contextmanager
def twice_differentiable(problem: Problem) -> Iterator[None]:
    """Lets torch compute by what has second derivatives; values differ by rounding.

    Fused attention has none, nor have the recurrent layers of cuDNN.

    Args:
        problem: What is evaluated inside.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if problem.layers.recurrent:
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        stack.enter_context(torch.enable_grad())
        yield


def loss_sum(
    problem: Problem, weights: Mapping[str, Tensor], batch: Batch, index: int, *, model: nn.Module | None = None
) -> Tensor:
    """The sum of the losses over one microbatch from a fresh state, as a function of the weights.

    Args:
        problem: What is evaluated. Its footprint is known, and its model is not lent.
        weights: All parameters and buffers, by name. What is to be differentiated by needs its gradient, or is a
            dual number of `torch.func`.
        batch: The microbatch.
        index: Its number, from which the generators are seeded.
        model: A copy of the module; default: the problem's own.

    Returns:
        The sum [], float64, with the graph that leads to it.
    """

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Tensor:
        return problem.at(model, weights, problem.objective.loss_sum, content, samples)

    return problem.step(weights, batch, index, model=model, measure=measure)
