"""Objectives whose mean is not over samples but, for example, over tokens: samples have weights.

    value = sum_i v_i / sum_i w_i,    v_i = the value of sample i, times w_i

Weights are divided by their mean over the samples of the first data set. Their sum there is then the number of
samples, and v_i are values of samples like all others. Any other constant in place of this mean gives the same values.

The standard error of the value needs the moments of the loss:

    sum_i v_i^2    and, with weights,    sum_i w_i v_i,  sum_i w_i^2
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from fastscape.model.batch import Batch
from fastscape.model.columns import Columns

__all__ = ["Weighing", "moments_of", "number_of_moments", "shares_in", "size_by", "weighed", "weights_of"]

C = TypeVar("C")


@runtime_checkable
class Weighing(Protocol):
    """An objective that weighs samples."""

    def over(self, samples: Sequence[Batch]) -> Any:
        """The objective with the mean weight of these samples; the same object if it has a mean weight."""

    def weights(self, batch: Any) -> Tensor:
        """The weights w of the samples of a batch [n], float64, by which the values are multiplied."""

    def truths(self, batch: Any) -> tuple[str, ...]:
        """The measures of a batch that are true or false for each sample, and weigh the same for all."""


def weighed(custom: C, samples: Sequence[Batch]) -> C:
    """An objective with the mean weight of samples.

    Args:
        custom: The objective. An objective that weighs nothing, or None, is returned unchanged.
        samples: All samples, or the first part of them.

    Returns:
        The objective.
    """
    found: C = custom.over(samples) if isinstance(custom, Weighing) else custom
    return found


def size_by(custom: Any) -> Callable[[Batch], float]:
    """The function that gives the number of samples that a batch counts as in means.

    Args:
        custom: The objective, or None.

    Returns:
        A function of a batch.
    """
    if not isinstance(custom, Weighing):
        return lambda batch: batch.samples

    def size(batch: Batch) -> float:
        return float(custom.weights(batch.content).sum())

    return size


def weights_of(custom: Any, batch: Batch) -> Tensor:
    """The weights of the samples of a batch, all 1 without an objective that weighs them.

    Args:
        custom: The objective, or None.
        batch: The batch.

    Returns:
        The weights [n], float64, on the CPU.
    """
    if not isinstance(custom, Weighing):
        return torch.ones(batch.samples, dtype=torch.float64, device="cpu")
    return custom.weights(batch.content).to("cpu")


def number_of_moments(custom: Any) -> int:
    """How many moments an objective has, if its loss has values of samples."""
    return 3 if isinstance(custom, Weighing) else 1


def moments_of(custom: Any, losses: Tensor, content: Any) -> Tensor:
    """The moments of the loss of a batch.

    Args:
        custom: The objective, or None.
        losses: Losses v of the samples [n].
        content: Content of the batch.

    Returns:
        The sums [moments], float64.
    """
    losses = losses.double()
    squares = losses.square().sum()
    if not isinstance(custom, Weighing):
        return squares[None]
    weights = custom.weights(content)
    return torch.stack([squares, (weights * losses).sum(), weights.square().sum()])


def shares_in(custom: Any, columns: Columns, samples: Sequence[Batch]) -> list[str]:
    """The names of the measures that are the share of samples for which something is true.

    Args:
        custom: The objective, or None.
        columns: The measures.
        samples: Samples of the data sets of the measures.

    Returns:
        The names, those of the first set first.
    """
    first = {batch.of: batch for batch in reversed(samples)}
    found: list[str] = []
    for of in sorted(first):
        truths = custom.truths(first[of].content) if isinstance(custom, Weighing) else columns.truths
        found += columns.shares(of, truths)
    return found
