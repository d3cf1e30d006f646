"""Where a run computes, and in which precision.

With a reduced precision theta and the directions stay in float32; the weights of a point are rounded once, when it is
made.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from fastscape.kernels import Backend

__all__ = ["PRECISIONS", "Place", "Precision"]


class Precision(NamedTuple):
    """Dtypes of a run.

    Args:
        weights: Of the weights of a point, and of activations.
        basis: Of theta, the directions, and the targets.
    """

    weights: torch.dtype
    basis: torch.dtype

    @property
    def reduced(self) -> bool:
        """Whether weights and activations are narrower than the basis."""
        return self.weights != self.basis


PRECISIONS = {
    "float64": Precision(torch.float64, torch.float64),
    "float32": Precision(torch.float32, torch.float32),
    "bfloat16": Precision(torch.bfloat16, torch.float32),
    "float16": Precision(torch.float16, torch.float32),
}
"""Precisions by name."""


@dataclass(frozen=True)
class Place:
    """Where a run computes.

    Args:
        device: A CPU or a GPU.
        precision: The dtypes.
        backend: Of the kernels. Default "auto".
    """

    device: torch.device
    precision: Precision
    backend: Backend = "auto"

    @property
    def wide(self) -> Place:
        """The same with weights as precise as the basis."""
        return replace(self, precision=Precision(self.precision.basis, self.precision.basis))
