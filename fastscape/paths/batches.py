"""The batches of every step of a training: their samples and their order follow from the seed and the epoch alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch

from fastscape.model import Batch, Problem

__all__ = ["Batches"]

ORDER = 1
"""Tells the numbers of an order from those that a step draws."""


@dataclass(eq=False)
class Batches:
    """The batches of a training.

    Args:
        problem: What is evaluated; its samples are not read.
        given: Batches as the data gave them.
        size: Samples of a batch at most, where samples may be put into any batch; None where batches stay as given.
        seed: From which the order of every epoch is drawn.
    """

    problem: Problem
    given: Sequence[Batch]
    size: int | None
    seed: int
    _order: tuple[int, np.ndarray] | None = field(default=None, init=False)

    @cached_property
    def _pool(self) -> Batch | None:
        """All samples as one batch; None where batches stay as given, or cannot be cut and joined."""
        if self.size is None:
            return None
        joined = replace(self.problem, samples=list(self.given), whole=True).free().samples
        return joined[0] if len(joined) == 1 and joined[0].divisible else None

    @property
    def in_an_epoch(self) -> int:
        """How many steps an epoch has."""
        if self._pool is None or self.size is None:
            return len(self.given)
        return math.ceil(self._pool.samples / self.size)

    def at(self, step: int) -> Batch:
        """The batch of a step, as the model takes it.

        Args:
            step: The number of the step, from 0.

        Returns:
            The batch. In an epoch every sample comes once; batches of samples are of equal sizes, or differ by one.
        """
        epoch, place = divmod(step, self.in_an_epoch)
        order = self._of_epoch(epoch)
        if self._pool is None:
            batch = self.given[int(order[place])]
        else:
            numbers = torch.from_numpy(np.array_split(order, self.in_an_epoch)[place])
            batch = self._pool.picked(numbers)
        return replace(self.problem, samples=[batch], whole=True).batches(batch.samples)[0]

    def _of_epoch(self, epoch: int) -> np.ndarray:
        """The numbers of all samples, or of all batches, in the order of an epoch."""
        if self._order is None or self._order[0] != epoch:
            count = len(self.given) if self._pool is None else self._pool.samples
            self._order = epoch, np.random.default_rng([self.seed, ORDER, epoch]).permutation(count)
        return self._order[1]
