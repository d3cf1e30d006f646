"""A basis with no whole vector in memory, for a model of which a process holds parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from fastscape.kernels import interpolate
from fastscape.weights.here import Here
from fastscape.weights.kept import KeptTensors
from fastscape.weights.tensorwise import Tensorwise

__all__ = ["TensorwiseHere"]


@dataclass(frozen=True, eq=False)
class TensorwiseHere(Tensorwise):
    """The part of theta and of random directions that a process holds; entries are counted within this part.

    Coefficients and Gram matrices cover all segments of the whole buffer.

    Args:
        here: The part that this process holds.
    """

    here: Here = field(kw_only=True)

    def rows_at(self, start: int, theta: Tensor, *, drawn: Sequence[bool] | None = None) -> Tensor:
        """The vectors of the basis at some entries. See `Tensorwise.rows_at`."""
        rows = torch.empty(self.shape[0], theta.numel(), dtype=self.dtype, device=self.device)
        rows[0].view(theta.shape).copy_(theta)
        for k, row in enumerate(rows[1:]):
            if drawn is not None and not drawn[k]:
                row.zero_()
            else:
                self.here.draw(row, self.seed, k, start, distribution=self.distribution, backend=self.backend)
        if self.weighted:
            rows[1:] *= rows[0]
        return rows

    def combined(self, rows: Tensor, c: Tensor, start: int, *, dtype: torch.dtype | None = None) -> Tensor:
        """One point of weight space at some entries. See `Tensorwise.combined`."""
        touched, segments = self.layout.segments.between(start, start + rows.shape[1])
        c = c[self.here.segment[touched].to(c.device)] if len(c) > 1 else c
        out = torch.empty(1, rows.shape[1], dtype=dtype or rows.dtype, device=rows.device)
        return interpolate(rows, c[None], segments, out=out, backend=self.backend)[0]

    def gathered(self, kept: KeptTensors) -> Tensorwise:
        """The same vectors in whole tensors. See `Tensorwise.gathered`."""
        drawn = self.seed, self.directions, self.dtype, self.device, self.distribution, self.weighted, self.backend
        return Tensorwise(self.here.whole, kept, *drawn)

    def gram(self) -> Tensor:
        """The Gram matrices [S, K, K] of all segments of the whole buffer, the same on all processes."""
        return self.here.gram(super().gram())
