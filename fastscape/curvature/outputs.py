"""What stands between the weights and the loss: the outputs of the model, or the losses of single samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from fastscape.model import Batch, Problem

__all__ = ["losses_of", "outputs_of"]


def outputs_of(
    problem: Problem, weights: Mapping[str, Tensor], batch: Batch, index: int
) -> tuple[list[Tensor], Callable[[list[Tensor]], Tensor]]:
    """The outputs of the model for a microbatch, and the loss as a function of them.

    Args:
        problem: What is evaluated; it has a loss, and no custom objective.
        weights: All parameters and buffers, by name.
        batch: The microbatch.
        index: Its number.

    Returns:
        The floating-point tensors of the outputs, and what makes the sum of the losses of such tensors.

    Raises:
        ValueError: When there are none.
    """

    def run(call: Any, content: Any, samples: int) -> Any:
        return problem.objective.outputs(call, content)

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Any:
        return problem.at(model, weights, run, content, samples)

    parts, structure = tree_flatten(problem.evaluated(weights, batch, index, measure=measure))
    moving = [k for k, part in enumerate(parts) if isinstance(part, Tensor) and part.is_floating_point()]
    if not moving:
        raise ValueError("the outputs of the model hold no floating-point tensor; write matrix='hessian'")

    def loss(tensors: list[Tensor]) -> Tensor:
        every = list(parts)
        for k, tensor in zip(moving, tensors, strict=True):
            every[k] = tensor
        return problem.objective.loss_of_outputs(tree_unflatten(every, structure), batch.content[1], batch.samples)

    return [parts[k] for k in moving], loss


def losses_of(problem: Problem, weights: Mapping[str, Tensor], batch: Batch, index: int) -> Tensor:
    """The losses of the samples of a microbatch [n], which can be differentiated.

    Args:
        problem: What is evaluated; the losses of its samples are known.
        weights: All parameters and buffers, by name.
        batch: The microbatch.
        index: Its number.

    Returns:
        The losses [n].
    """

    def measure(model: nn.Module, weights: Mapping[str, Tensor], content: Any, samples: int) -> Any:
        return problem.at(model, weights, problem.objective.losses, content, samples)

    found = problem.evaluated(weights, batch, index, measure=measure)
    return torch.atleast_1d(found)
