"""Complex numbers as pairs of real numbers: the real part, then the imaginary part.

A complex tensor of n entries moves as 2n real numbers. The norm of a filter is the norm of these numbers,
`sqrt(sum |z|^2) = sqrt(sum (Re z)^2 + (Im z)^2)`. A real combination of complex tensors is the same combination of
their pairs. So no code behind the flat buffer has to handle complex numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["complex_of", "pairs_of", "real_of"]


def pairs_of(tensor: Tensor) -> Tensor:
    """The pairs of real numbers of a tensor.

    Args:
        tensor: Complex [...]; or real, with imaginary parts of 0.

    Returns:
        Real numbers [..., 2].
    """
    if tensor.is_complex():
        return torch.view_as_real(tensor.resolve_conj())
    return torch.stack([tensor, torch.zeros_like(tensor)], dim=-1)


def complex_of(pairs: Tensor) -> Tensor:
    """The complex tensor of pairs of real numbers.

    Args:
        pairs: Real numbers [..., 2].

    Returns:
        The tensor [...]: a view in complex128 or complex64. A narrower dtype gives a copy in complex64, because torch
        does not compute with narrower complex numbers.
    """
    return torch.view_as_complex(pairs if pairs.dtype.itemsize >= 4 else pairs.float())


def real_of(tensor: Tensor, name: str) -> Tensor:
    """The real part of a tensor without imaginary parts.

    Args:
        tensor: Real, or complex with imaginary parts of 0.
        name: Its name in the error.

    Returns:
        The tensor, or its real part.

    Raises:
        ValueError: When an imaginary part is not 0.
    """
    if not tensor.is_complex():
        return tensor
    if bool(tensor.imag.any()):
        raise ValueError(f"{name} must be real, as in the model, got {tensor.dtype}")
    return tensor.real
