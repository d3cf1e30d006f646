"""The weights of the next points, made on a second stream of a GPU while the points before are evaluated."""

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
    """Two memories that take turns: one is written to while the other is read.

    Nobody waits on the CPU: a chunk is queued while the chunk before it is at work, and the second stream begins with
    it as soon as nobody reads its memory any more.

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
        self._left: list[Any] = [None, None]  # marks, for this memory and the spare one, that nobody reads it any more

    def turn(self, repeat: int) -> None:
        """As `PointWeights` does; the second stream has read the directions before, and waits for these."""
        here = gpu.here(self._device)
        here.wait_stream(self._stream)
        super().turn(repeat)
        self._stream.wait_stream(here)

    def coefficients(self, points: Tensor) -> Tensor:
        """As `PointWeights` does, on the second stream."""
        with gpu.queued_on(self._stream):
            return super().coefficients(points)

    def at(self, c: Tensor, *, ranges: Ranges | None = None) -> Tensor:
        """As `PointWeights` does, on the second stream, for which the current one waits."""
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
        """Lets the second stream write to this memory after what is queued now."""
        self._left[0] = gpu.event()
        self._left[0].record(gpu.here(self._device))
