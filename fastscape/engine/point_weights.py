"""The memory that the weights of a chunk of points are written to."""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.engine import gpu
from fastscape.kernels import Backend, Segments, interpolate
from fastscape.weights import Resident, Space, Tensorwise

__all__ = ["PointWeights"]


class PointWeights:
    """Makes the weights of many points from one read of the basis.

    Args:
        space: Where the points lie.
        dtype: Of the weights.
        backend: Of the kernels.
    """

    def __init__(self, space: Space, dtype: torch.dtype, backend: Backend) -> None:
        self.first, self.space, self.backend, self.repeat = space, space, backend, 0
        vectors = space.basis.vectors
        self._memory = torch.empty(0, vectors.shape[1], dtype=dtype, device=vectors.device)
        self._resident = self._settled(space)
        self._cuts: dict[int, tuple[slice, Segments]] = {}

    def turn(self, repeat: int) -> None:
        """Takes the directions of a repeat, for all points that come.

        Args:
            repeat: The number of the repeat.
        """
        self._take(self.first)  # so that the directions before need no memory any more
        self._take(self.first.of_repeat(repeat))
        self.repeat = repeat

    def _take(self, space: Space) -> None:
        self.space, self._resident = space, self._settled(space)

    def _settled(self, space: Space) -> Resident | None:
        device = self._memory.device
        return Resident.of(space, device) if gpu.on_gpu(device) else None

    def coefficients(self, points: Tensor) -> Tensor:
        """The coefficients of some points, on a GPU those that are there.

        Args:
            points: Grid coordinates [g, D], on the CPU.

        Returns:
            Coefficients [g, S or 1, K].
        """
        device = self._memory.device
        if self._resident is not None:  # the coordinates are little, the coefficients of many filters are not
            return self._resident.coefficients(gpu.sent(points, device))
        c = self.space.coefficients(points)
        return gpu.sent(c, device) if gpu.on_gpu(device) and c.device.type == "cpu" else c

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
        out, vectors = self._memory[: len(c)], self.space.basis.vectors
        if first == out.shape[1]:
            return out
        assert not isinstance(vectors, Tensorwise)  # of which no points are made at once
        c = self.space.basis.held_coefficients(c)
        touched, segments = self._cut(first if isinstance(vectors, Tensor) else 0)
        if isinstance(vectors, Tensor) and first:
            c = c[:, touched] if c.shape[1] > 1 else c
            vectors, written = vectors[:, first:], out[:, first:]
        else:
            written = out
        interpolate(vectors, c, segments, out=written, backend=self.backend)
        return out

    def read(self) -> None:
        """Says that all that reads the weights of the last call is queued."""

    def _cut(self, first: int) -> tuple[slice, Segments]:
        """The segments from an entry on, on the device; they are few, and a GPU would be waited for to make them."""
        if first not in self._cuts:
            segments, every = self.space.basis.held.segments, slice(None)
            touched, segments = segments.between(first, segments.size) if first else (every, segments)
            self._cuts[first] = touched, segments.to(self._memory.device)
        return self._cuts[first]
