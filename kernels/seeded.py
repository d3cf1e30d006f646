"""A basis whose directions are not in memory: they are computed from a seed on every read.

    B[0, p] = theta[p],   B[k, p] = draw(seed, stream k - 1, entry first + p), times theta[p] if asked for

Shapes: theta_P [P]; the basis is [K, P] with K = 2 on a line and 3 on a plane, of which only theta takes memory.

`first` is 0 for a whole flat buffer. A part of a buffer has the same entries as the whole buffer has there. So weights
that are never together in memory, or on one device, move as they would together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .philox import Distribution, check, draw_torch

__all__ = ["Seeded", "accumulation_dtype", "blocks"]

# Entries that the torch twins compute at a time.
_BLOCK = 1 << 18


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """The dtype of coefficients and sums for a basis of `dtype`: float64 for float64, else float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def blocks(size: int) -> Iterator[tuple[int, int]]:
    """The blocks (start, stop) in which the torch twins compute `size` entries."""
    for start in range(0, size, _BLOCK):
        yield start, min(start + _BLOCK, size)


@dataclass(frozen=True, eq=False)
class Seeded:
    """A basis (theta, d1, ..., dN) with regenerated directions.

    Args:
        theta: The vector in memory [P], contiguous, float64, float32, bfloat16 or float16.
        seed: From 0 to 2^64 - 1.
        directions: N, from 1; direction k is stream k - 1 of the seed.
        distribution: "normal", "uniform" or "rademacher". Default "normal".
        weighted: Whether each entry of the directions is multiplied by the same entry of theta. Default False.
        first: The place, in the flat buffer, of theta's first entry; a multiple of 4, the entries of one counter.
            Default 0.

    Raises:
        ValueError: When theta is not a contiguous floating-point vector, there is no direction, or the seed, the
            distribution or the place is invalid.

    Example:
        >>> import torch
        >>> from fastscape.kernels import Seeded, Segments, gram
        >>> plane = Seeded(torch.ones(1000), seed=0, directions=2)
        >>> plane.shape
        torch.Size([3, 1000])
        >>> gram(plane, Segments.single(1000))[0, 0, 0].item()
        1000.0
        >>> part = Seeded(torch.ones(200), seed=0, directions=2, first=800)
        >>> torch.equal(part.rows(0, 200), plane.rows(800, 1000))
        True
    """

    theta: Tensor
    seed: int
    directions: int
    distribution: Distribution = "normal"
    weighted: bool = False
    first: int = 0

    def __post_init__(self) -> None:
        if self.theta.dim() != 1 or not self.theta.is_floating_point() or not self.theta.is_contiguous():
            raise ValueError(
                f"theta must be one contiguous floating-point vector [P], got {self.theta.dtype} of shape "
                f"{tuple(self.theta.shape)}"
            )
        if isinstance(self.directions, bool) or not isinstance(self.directions, int) or self.directions < 1:
            raise ValueError(f"directions must be 1 (a line), 2 (a plane), or more, got {self.directions!r}")
        check(self.seed, self.distribution)
        if self.first < 0 or self.first % 4:
            raise ValueError(
                f"first must be the place of its first entry, a multiple of 4 of at least 0, got {self.first}"
            )

    @property
    def shape(self) -> torch.Size:
        """(K, P)."""
        return torch.Size((1 + self.directions, len(self.theta)))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of theta, and of the points."""
        return self.theta.dtype

    @property
    def device(self) -> torch.device:
        """The device of theta."""
        return self.theta.device

    def rows(self, start: int, stop: int) -> Tensor:
        """The entries start .. stop - 1 of the basis.

        Args:
            start: The first entry.
            stop: The position after the last entry.

        Returns:
            Vectors [K, stop - start], float64 for a float64 theta, else float32.
        """
        rows = torch.empty(self.shape[0], stop - start, dtype=accumulation_dtype(self.dtype), device=self.device)
        rows[0] = self.theta[start:stop]
        for k in range(self.directions):
            draw_torch(rows[k + 1], self.seed, k, self.first + start, self.distribution)
        if self.weighted:
            rows[1:] *= rows[0]
        return rows
