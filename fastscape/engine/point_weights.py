"""The memory that the weights of a chunk of points are written to."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.kernels import Backend, interpolate
from fastscape.weights import Space

__all__ = ["PointWeights"]


class PointWeights:
    """Makes the weights of many points from one read of the basis.

    Args:
        space: Where the points lie.
        dtype: Of the weights.
        backend: Of the kernels.
    """

    def __init__(self, space: Space, dtype: torch.dtype, backend: Backend) -> None:
        self.space, self.backend = space, backend
        vectors = space.basis.vectors
        self._segments = space.layout.segments.to(vectors.device)
        self._memory = torch.empty(0, vectors.shape[1], dtype=dtype, device=vectors.device)

    def at(self, c: Tensor, *, first: int = 0) -> Tensor:
        """The weights of some points.

        Args:
            c: Their coefficients [g, S or 1, K].
            first: The first entry that is written; those in front, which nobody reads, are left as they were.
                Default 0.

        Returns:
            Weights [g, P], in memory that the next call writes to.
        """
        if len(self._memory) < len(c):
            self._memory = self._memory.new_empty(len(c), self._memory.shape[1])
        out, vectors, segments = self._memory[: len(c)], self.space.basis.vectors, self._segments
        if first == out.shape[1]:
            return out
        if isinstance(vectors, Tensor) and first:
            touched, segments = segments.between(first, out.shape[1])
            c = c[:, touched] if c.shape[1] > 1 else c
            vectors = vectors[:, first:]
        interpolate(vectors, c, segments, out=out[:, first:], backend=self.backend)
        return out
