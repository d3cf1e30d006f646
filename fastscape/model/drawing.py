"""A fixed draw of the samples: some of them, chosen at random, that stand for all."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from fastscape.model.batch_structure import mapped
from fastscape.model.data import Batch
from fastscape.model.problem import Problem

__all__ = ["drawn"]


def drawn(problem: Problem, count: int, seed: int) -> Problem:
    """The same problem on a draw of its samples, without replacement.

    What may be cut is drawn sample by sample. What is one thing, a batch that belongs to the result or a graph, is
    drawn as a whole, so that there may be more samples than were asked for, by less than the largest such batch.

    Args:
        problem: The problem with all its samples.
        count: How many samples are wanted; all, where there are no more.
        seed: Of the draw, which depends on it and on the number and sizes of the batches alone.

    Returns:
        The problem; its samples keep their order.
    """
    units = [_units(problem, batch) for batch in problem.samples]
    weights = torch.tensor(
        [batch.samples // n for batch, n in zip(problem.samples, units, strict=True) for _ in range(n)], device="cpu"
    )
    order = torch.randperm(len(weights), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    counts = list(accumulate(weights[order].tolist()))
    taken = order[: bisect_left(counts, count) + 1].sort().values
    parts, start = [], 0
    for batch, n in zip(problem.samples, units, strict=True):
        own = taken[(taken >= start) & (taken < start + n)] - start
        parts += [batch if n == 1 else _picked(batch, own)] if len(own) else []
        start += n
    return replace(problem, samples=parts)


def _units(problem: Problem, batch: Batch) -> int:
    """Of how many things that are drawn by themselves a batch consists."""
    return batch.samples if batch.divisible and not problem.whole else 1


def _picked(batch: Batch, numbers: Tensor) -> Batch:
    """The samples of a batch with these numbers."""
    return Batch(mapped(batch.content, partial(_rows, numbers)), len(numbers))


def _rows(numbers: Tensor, tensor: Tensor) -> Tensor:
    return tensor[numbers.to(tensor.device)]
