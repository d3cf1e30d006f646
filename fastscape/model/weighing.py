"""Objectives whose mean is not over samples but, for example, over tokens: samples have weights.

    value = sum_i v_i / sum_i w_i,    v_i = the value of sample i, times w_i

Weights are divided by their mean over the samples of the first data set. Their sum there is then the number of
samples, and v_i are values of samples like all others. Any other constant in place of this mean gives the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from fastscape.model.batch import Batch
from fastscape.model.columns import Columns

__all__ = ["Weighing", "shares_in", "size_by", "weighed"]

C = TypeVar("C")


@runtime_checkable
class Weighing(Protocol):
    """An objective that weighs samples."""

    def over(self, samples: Sequence[Batch]) -> Any:
        """The objective with the mean weight of these samples; the same object if it has a mean weight."""

    def size(self, batch: Any) -> float:
        """The sum of the weights of the samples of a batch."""

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
        return custom.size(batch.content)

    return size


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
