"""Repeats: the same axes along different random directions. Each repeat has its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fastscape.kernels import Backend, Distribution
from fastscape.weights.basis import Basis, basis_redrawn
from fastscape.weights.directions import Random

__all__ = ["Repeats", "by_repeat", "seeds_of"]

EXACT_BITS = 53  # bits of an integer that every reader of JSON holds exactly


@dataclass(frozen=True)
class Repeats:
    """How the directions of each repeat are drawn.

    Args:
        seeds: The seed of each repeat, see `seeds_of`.
        distribution: The distribution of all directions.
        normalize: Norm of the directions.
        backend: Backend of the kernels.
    """

    seeds: Sequence[int]
    distribution: Distribution
    normalize: str
    backend: Backend

    def basis(self, first: Basis, repeat: int) -> Basis:
        """The basis along the directions of a repeat.

        Args:
            first: The basis of repeat 0.
            repeat: The number of the repeat.

        Returns:
            The basis; for repeat 0 the given basis itself.
        """
        if repeat == 0:
            return first
        random = Random(self.seeds[repeat], self.distribution)
        return basis_redrawn(first, random, self.normalize, self.backend)


def seeds_of(seed: int, repeats: int) -> list[int]:
    """The seeds of repeats: a run with one of these seeds, and without repeats, has the directions of that repeat.

    Args:
        seed: Seed of the run and of repeat 0, from 0 to 2^64 - 1.
        repeats: Number of repeats.

    Returns:
        A seed per repeat. All but the first are below 2^53 and spawned from the seed by `numpy.random.SeedSequence`,
        so that two runs with different seeds share no directions.

    Example:
        >>> from fastscape.weights import seeds_of
        >>> seeds_of(7, 3)[:2] == seeds_of(7, 2)
        True
    """
    spawned = (np.random.SeedSequence(int(seed), spawn_key=(k,)) for k in range(1, repeats))
    return [int(seed), *(int(one.generate_state(1, np.uint64)[0]) >> (64 - EXACT_BITS) for one in spawned)]


def by_repeat(points: Tensor, axes: int) -> Iterator[tuple[int, Tensor]]:
    """Points in the given order, split wherever the next repeat begins.

    Args:
        points: Coordinates [n, axes], all of repeat 0; or [n, 1 + axes], with the number of the repeat first.
        axes: Number of axes.

    Yields:
        The number of a repeat, and the coordinates [m, axes] of points along its directions.
    """
    if points.shape[1] == axes:
        yield 0, points
        return
    numbers, counts = points[:, 0].unique_consecutive(return_counts=True)
    for number, part in zip(numbers.tolist(), points[:, 1:].split(counts.tolist()), strict=True):
        yield int(number), part
