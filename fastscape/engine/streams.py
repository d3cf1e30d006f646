"""Makes the weights of the next points on a second stream of a GPU while the previous points are evaluated."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fastscape.engine import gpu
from fastscape.engine.point_weights import PointWeights, Ranges
from fastscape.kernels import Backend
from fastscape.weights import Space

__all__ = ["AheadWeights"]


class AheadWeights(PointWeights):
    """Two memories that take turns: one memory is written to while the other is read.

    The CPU never waits: it queues a chunk while the GPU evaluates the previous chunk. The second stream begins with
    the chunk as soon as nothing reads its memory any more.

    Args:
        space: The space of the points, on a GPU.
        dtype: Of the weights.
        backend: Of the kernels.
    """

    def __init__(self, space: Space, dtype: torch.dtype, backend: Backend) -> None:
        super().__init__(space, dtype, backend)
        self._spare = self._memory.clone()
        self._device = self._memory.device
        self._stream = gpu.second_stream(self._device)
        self._stream.wait_stream(gpu.here(self._device))  # for the basis
        self._left: list[Any] = [None, None]  # for this and the spare memory: a mark behind its last read

    def turn(self, repeat: int) -> None:
        """Like `PointWeights.turn`, after the second stream has read the old directions; it waits for the new."""
        here = gpu.here(self._device)
        here.wait_stream(self._stream)
        super().turn(repeat)
        self._stream.wait_stream(here)

    def coefficients(self, points: Tensor) -> Tensor:
        """Like `PointWeights.coefficients`, on the second stream."""
        with gpu.queued_on(self._stream):
            return super().coefficients(points)

    def at(self, c: Tensor, *, ranges: Ranges | None = None) -> Tensor:
        """Like `PointWeights.at`, on the second stream, for which the current stream waits."""
        self._memory, self._spare = self._spare, self._memory
        self._left.reverse()
        if self._left[0] is not None:
            self._stream.wait_event(self._left[0])
        with gpu.queued_on(self._stream):
            made = super().at(c, ranges=ranges)
        current = gpu.here(self._device)
        current.wait_stream(self._stream)
        for tensor in (c, made):
            gpu.kept_for(current, tensor)
        return made

    def read(self) -> None:
        """Lets the second stream write to this memory after the work that is queued now."""
        self._left[0] = gpu.event()
        self._left[0].record(gpu.here(self._device))
