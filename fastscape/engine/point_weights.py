"""Makes the weights of a chunk of points, in memory that every chunk uses again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fastscape.engine import gpu
from fastscape.kernels import Backend, Seeded, Segments, interpolate
from fastscape.weights import Resident, Space, Tensorwise

__all__ = ["PointWeights", "Ranges"]

Ranges = Sequence[tuple[int, int]]
"""Ranges of entries of the flat buffer: for each the first entry, and the entry behind the last."""


class PointWeights:
    """Makes the weights of many points from one read of the basis.

    Args:
        space: The space of the points.
        dtype: Of the weights.
        backend: Of the kernels.
    """

    def __init__(self, space: Space, dtype: torch.dtype, backend: Backend) -> None:
        self.first, self.space, self.backend, self.repeat = space, space, backend, 0
        vectors = space.basis.vectors
        self._memory = torch.empty(0, vectors.shape[1], dtype=dtype, device=vectors.device)
        self._resident = self._settled(space)
        self._cuts: dict[tuple[int, int], tuple[slice, Segments]] = {}

    def turn(self, repeat: int) -> None:
        """Takes the directions of a repeat, for all following points.

        Args:
            repeat: The number of the repeat.
        """
        self._take(self.first)  # frees the memory of the previous directions
        self._take(self.first.of_repeat(repeat))
        self.repeat = repeat

    def _take(self, space: Space) -> None:
        self.space, self._resident = space, self._settled(space)

    def _settled(self, space: Space) -> Resident | None:
        device = self._memory.device
        return Resident.of(space, device) if gpu.on_gpu(device) else None

    def coefficients(self, points: Tensor) -> Tensor:
        """The coefficients of some points, on the GPU if the weights are made there.

        Args:
            points: Grid coordinates [g, D], on the CPU.

        Returns:
            Coefficients [g, S or 1, K].
        """
        device = self._memory.device
        if self._resident is not None:  # coordinates are few numbers, the coefficients of many filters are not
            return self._resident.coefficients(gpu.sent(points, device))
        c = self.space.coefficients(points)
        return gpu.sent(c, device) if gpu.on_gpu(device) and c.device.type == "cpu" else c

    def at(self, c: Tensor, *, ranges: Ranges | None = None) -> Tensor:
        """The weights of some points.

        Args:
            c: Their coefficients [g, S or 1, K].
            ranges: The ranges of entries that are written; other entries, which nothing reads, stay as they were.
                Default: all entries.

        Returns:
            Weights [g, P], in memory that the next call writes to.
        """
        if len(self._memory) < len(c):
            self._memory = self._memory.new_empty(len(c), self._memory.shape[1])
        out, vectors = self._memory[: len(c)], self.space.basis.vectors
        assert not isinstance(vectors, Tensorwise)  # such a basis never makes several points at once
        c = self.space.basis.held_coefficients(c)
        for start, stop in ((0, out.shape[1]),) if ranges is None else ranges:
            touched, segments = self._cut(start, stop)
            own = c[:, touched] if c.shape[1] > 1 else c
            interpolate(_between(vectors, start, stop), own, segments, out=out[:, start:stop], backend=self.backend)
        return out

    def read(self) -> None:
        """Says that all work that reads the weights of the last call of `at` is queued."""

    def _cut(self, start: int, stop: int) -> tuple[slice, Segments]:
        """The segments of a range, on the device; kept, as they are small and making them waits for a GPU."""
        if (start, stop) not in self._cuts:
            segments, every = self.space.basis.held.segments, slice(None)
            whole = (start, stop) == (0, segments.size)
            touched, segments = (every, segments) if whole else segments.between(start, stop)
            self._cuts[start, stop] = touched, segments.to(self._memory.device)
        return self._cuts[start, stop]


def _between(vectors: Tensor | Seeded, start: int, stop: int) -> Tensor | Seeded:
    """A range of the entries of a basis."""
    if isinstance(vectors, Tensor):
        return vectors[:, start:stop]
    return replace(vectors, theta=vectors.theta[start:stop], first=vectors.first + start)
