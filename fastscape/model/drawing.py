"""A fixed draw of the samples: some of them, chosen at random, that stand for all."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from functools import partial
from itertools import accumulate, groupby
from math import ceil

import torch
from torch import Tensor

from fastscape.model.batch_structure import mapped
from fastscape.model.data import Batch, Samples
from fastscape.model.problem import Problem

__all__ = ["drawn"]

LEAST_OF_A_SET = 64  # samples, where there are several data sets


def drawn(problem: Problem, count: int, seed: int) -> Problem:
    """The same problem on a draw of its samples, without replacement.

    What may be cut is drawn sample by sample. What is one thing, a batch that belongs to the result or a graph, is
    drawn as a whole, so that there may be more samples than were asked for, by less than the largest such batch. Of
    several data sets each is drawn from by itself, in proportion, and of a small one more.

    Args:
        problem: The problem with all its samples.
        count: How many samples are wanted; all, where there are no more.
        seed: Of the draw, which depends on it and on the number and sizes of the batches alone.

    Returns:
        The problem; its samples keep their order.
    """
    parts: list[Batch] = []
    for number, those in groupby(problem.samples, key=lambda batch: batch.of):
        samples = list(those)
        size = sum(batch.samples for batch in samples)
        share = count if size == problem.size else max(ceil(count * size / problem.size), min(LEAST_OF_A_SET, size))
        parts += _drawn(problem, samples, share, seed + number)
    return replace(problem, samples=parts)


def _drawn(problem: Problem, samples: Samples, count: int, seed: int) -> Samples:
    """A draw from one data set."""
    units = [_units(problem, batch) for batch in samples]
    weights = torch.tensor(
        [batch.samples // n for batch, n in zip(samples, units, strict=True) for _ in range(n)], device="cpu"
    )
    order = torch.randperm(len(weights), generator=torch.Generator("cpu").manual_seed(seed), device="cpu")
    counts = list(accumulate(weights[order].tolist()))
    taken = order[: bisect_left(counts, count) + 1].sort().values
    parts, start = [], 0
    for batch, n in zip(samples, units, strict=True):
        own = taken[(taken >= start) & (taken < start + n)] - start
        parts += [batch if n == 1 else _picked(batch, own)] if len(own) else []
        start += n
    return parts


def _units(problem: Problem, batch: Batch) -> int:
    """Of how many things that are drawn by themselves a batch consists."""
    return batch.samples if batch.divisible and not problem.whole else 1


def _picked(batch: Batch, numbers: Tensor) -> Batch:
    """The samples of a batch with these numbers."""
    return Batch(mapped(batch.content, partial(_rows, numbers)), len(numbers), batch.of)


def _rows(numbers: Tensor, tensor: Tensor) -> Tensor:
    return tensor[numbers.to(tensor.device)]
