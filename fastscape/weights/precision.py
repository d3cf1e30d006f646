"""The device of a run, and its precision.

With a reduced precision theta and the directions stay in float32; the weights of a point are rounded once, when they
are made. Complex tensors are complex128 in float64, else complex64, because there is no narrower complex arithmetic.
The real numbers of complex tensors that move are rounded like all others, and are then stored in complex64.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastscape.kernels import Backend
from fastscape.weights.loan import Loan
from fastscape.weights.sharing import Sharing

__all__ = ["PRECISIONS", "Place", "Precision", "dtype_of", "keeps_dtypes", "precision_of"]


class Precision(NamedTuple):
    """Dtypes of a run.

    Args:
        weights: Dtype of the weights of a point, and of activations.
        basis: Dtype of theta, the directions, and the targets.
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

_REAL = {torch.complex64: torch.float32, torch.complex128: torch.float64}


def precision_of(model: nn.Module) -> tuple[str, bool]:
    """The precision of a model's parameters.

    Args:
        model: The model.

    Returns:
        Its name, the widest if there are several; and whether there are several.
    """
    names = {precision.weights: name for name, precision in PRECISIONS.items()}
    found = {names.get(_REAL.get(parameter.dtype, parameter.dtype)) for parameter in model.parameters()} - {None}
    if len(found) == 1:
        return str(found.pop()), False
    return "float64" if "float64" in found else "float32", len(found) > 1


def keeps_dtypes(model: nn.Module, place: Place) -> bool:
    """Whether a model in its own precision differs from a model in the precision of that name.

    Args:
        model: The model.
        place: Where it is evaluated.

    Returns:
        Whether parameters or buffers of several dtypes keep them, or samples and targets keep theirs.
    """
    wanted, tensors = place.precision.weights, (*model.parameters(), *model.buffers())
    odd = any(tensor.dtype != dtype_of(tensor, wanted) for tensor in tensors)
    return place.own and (place.mixed or place.precision.reduced or odd)


def dtype_of(tensor: Tensor, wanted: torch.dtype | None) -> torch.dtype:
    """The dtype that a tensor gets in a precision.

    Args:
        tensor: Any tensor.
        wanted: The dtype for floating-point tensors; None to keep theirs.

    Returns:
        `wanted` for a floating-point tensor; complex128 or complex64 for a complex tensor; else its own dtype.

    Example:
        >>> import torch
        >>> from fastscape.weights import dtype_of
        >>> dtype_of(torch.zeros(2, dtype=torch.complex128), torch.float32)
        torch.complex64
    """
    if wanted is None:
        return tensor.dtype
    if tensor.is_complex():
        return torch.complex128 if wanted == torch.float64 else torch.complex64
    return wanted if tensor.is_floating_point() else tensor.dtype


@dataclass(frozen=True)
class Place:
    """The device and precision of a run.

    Args:
        device: A CPU or a GPU.
        precision: The dtypes.
        backend: Backend of the kernels. Default "auto".
        own: Whether the precision is the model's own. Default False.
        mixed: Whether its tensors have several precisions, and keep them. Default False.
        lent: The user's own model, which is written to instead of a copy. Default: a copy is evaluated.
        sharing: The processes that share one model out among them. Default: the model is not shared out.
    """

    device: torch.device
    precision: Precision
    backend: Backend = "auto"
    own: bool = False
    mixed: bool = False
    lent: Loan | None = None
    sharing: Sharing | None = None

    def evaluating(self, model: nn.Module, what: str) -> AbstractContextManager[None]:
        """Surrounds a forward pass of a lent model, which all processes of the model begin together; see `Sharing`."""
        return nullcontext() if self.sharing is None else self.sharing.evaluating(model, what)

    @property
    def samples(self) -> torch.dtype | None:
        """The dtype of floating-point samples; None to keep theirs."""
        return None if self.own and (self.mixed or self.precision.reduced) else self.precision.basis

    @property
    def wide(self) -> Place:
        """This place, with weights as precise as the basis."""
        precision = Precision(self.precision.basis, self.precision.basis)
        return replace(self, precision=precision, own=self.own and not self.precision.reduced)
