"""Where a run computes, and in which precision.

With a reduced precision theta and the directions stay in float32; the weights of a point are rounded once, when it is
made. Complex tensors are complex128 in float64, else complex64: there is no narrower complex arithmetic. The numbers
of those that move are rounded like all others, and lie in complex64 then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fastscape.kernels import Backend

__all__ = ["PRECISIONS", "Place", "Precision", "dtype_of"]


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


def dtype_of(tensor: Tensor, wanted: torch.dtype) -> torch.dtype:
    """The dtype that a tensor gets in a precision.

    Args:
        tensor: Any tensor.
        wanted: What floating-point tensors get.

    Returns:
        `wanted` for a floating-point tensor; complex128 or complex64 for a complex one; else its own.

    Example:
        >>> import torch
        >>> from fastscape.weights import dtype_of
        >>> dtype_of(torch.zeros(2, dtype=torch.complex128), torch.float32)
        torch.complex64
    """
    if tensor.is_complex():
        return torch.complex128 if wanted == torch.float64 else torch.complex64
    return wanted if tensor.is_floating_point() else tensor.dtype


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
