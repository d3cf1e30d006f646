"""The batches of a training: samples and order follow from the seed and the epoch alone."""

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
"""Separates the random numbers of an order from the random numbers of a step."""


@dataclass(eq=False)
class Batches:
    """The batches of a training.

    Args:
        problem: What is evaluated; its samples are not read.
        given: Batches as the data gave them.
        size: Largest number of samples per batch, if batches may be formed freely; None to keep the given batches.
        seed: Seed of the order of every epoch.
    """

    problem: Problem
    given: Sequence[Batch]
    size: int | None
    seed: int
    _order: tuple[int, np.ndarray] | None = field(default=None, init=False)

    @cached_property
    def _pool(self) -> Batch | None:
        """All samples as one batch; None if the given batches are kept, or cannot be cut and joined."""
        if self.size is None:
            return None
        joined = replace(self.problem, samples=list(self.given), whole=True).free().samples
        return joined[0] if len(joined) == 1 and joined[0].divisible else None

    @property
    def in_an_epoch(self) -> int:
        """Number of steps per epoch."""
        if self._pool is None or self.size is None:
            return len(self.given)
        return math.ceil(self._pool.samples / self.size)

    def at(self, step: int) -> Batch:
        """The batch of a step, in the form that the model takes.

        Args:
            step: The number of the step, from 0.

        Returns:
            The batch. Every sample occurs once per epoch; the sizes of freely formed batches differ by at most one.
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
