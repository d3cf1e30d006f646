"""A fixed draw of samples, chosen at random, that represents all samples."""

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

LEAST_OF_A_SET = 64  # samples, if there are several data sets


def drawn(problem: Problem, count: int, seed: int) -> Problem:
    """The same problem on a draw of its samples, without replacement.

    Batches that may be cut are drawn sample by sample. A batch that belongs together, or a graph, is drawn as a whole.
    There may then be more samples than requested, by less than the largest such batch. Each of several data sets is
    drawn from separately, in proportion to its size, with at least 64 samples or the whole set.

    Args:
        problem: The problem with all its samples.
        count: Number of samples to draw; all samples if there are no more.
        seed: Seed of the draw, which depends only on it and on the number and sizes of the batches.

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
    """The number of units in a batch that are drawn separately."""
    return batch.samples if batch.divisible and not problem.whole else 1


def _picked(batch: Batch, numbers: Tensor) -> Batch:
    """The samples of a batch with these numbers."""
    return Batch(mapped(batch.content, partial(_rows, numbers)), len(numbers), batch.of)


def _rows(numbers: Tensor, tensor: Tensor) -> Tensor:
    return tensor[numbers.to(tensor.device)]
