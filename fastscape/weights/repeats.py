"""Repeats: the same axes along other random directions, of which each repeat has its own seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fastscape.kernels import Backend, Distribution
from fastscape.weights.basis import Basis, basis_redrawn
from fastscape.weights.directions import Random

__all__ = ["Repeats", "by_repeat", "seeds_of"]

EXACT_BITS = 53  # of an integer that every reader of JSON holds exactly


@dataclass(frozen=True)
class Repeats:
    """How the directions of each repeat are drawn.

    Args:
        seeds: Of each repeat, see `seeds_of`.
        distribution: Of all.
        normalize: Norm of the directions.
        backend: Of the kernels.
    """

    seeds: Sequence[int]
    distribution: Distribution
    normalize: str
    backend: Backend

    def basis(self, first: Basis, repeat: int) -> Basis:
        """The basis along the directions of a repeat.

        Args:
            first: That of repeat 0.
            repeat: The number of the repeat.

        Returns:
            The basis; that of repeat 0 is the one that was given.
        """
        if repeat == 0:
            return first
        random = Random(self.seeds[repeat], self.distribution)
        return basis_redrawn(first, random, self.normalize, self.backend)


def seeds_of(seed: int, repeats: int) -> list[int]:
    """The seeds of repeats: a run with the seed of one of them, and without repeats, has its directions.

    Args:
        seed: That of the run, from 0 to 2^64 - 1, which is also that of repeat 0.
        repeats: How many there are.

    Returns:
        A seed for each; but for the first they are below 2^53, and what `numpy.random.SeedSequence` spawns from the
        seed, so that two runs with seeds of their own do not share directions.

    Example:
        >>> from fastscape.weights import seeds_of
        >>> seeds_of(7, 3)[:2] == seeds_of(7, 2)
        True
    """
    spawned = (np.random.SeedSequence(int(seed), spawn_key=(k,)) for k in range(1, repeats))
    return [int(seed), *(int(one.generate_state(1, np.uint64)[0]) >> (64 - EXACT_BITS) for one in spawned)]


def by_repeat(points: Tensor, axes: int) -> Iterator[tuple[int, Tensor]]:
    """Points in the order in which they come, cut where another repeat begins.

    Args:
        points: Coordinates [n, axes], all of repeat 0; or [n, 1 + axes], the number of the repeat in front.
        axes: Number of axes.

    Yields:
        The number of a repeat, and the coordinates [m, axes] of points that lie along its directions.
    """
    if points.shape[1] == axes:
        yield 0, points
        return
    numbers, counts = points[:, 0].unique_consecutive(return_counts=True)
    for number, part in zip(numbers.tolist(), points[:, 1:].split(counts.tolist()), strict=True):
        yield int(number), part
