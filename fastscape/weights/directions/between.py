"""Directions from the model to other models of the same architecture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from fastscape.weights.layout import Layout
from fastscape.weights.other_model import Other, check_present, listed, model_given, named_as
from fastscape.weights.selection import NamedPerturb, tensors_of

__all__ = ["Between", "direction_between"]


@dataclass(frozen=True, eq=False)
class Between:
    """The direction to another model, which is then at coordinate 1.

    Args:
        other: The other model: a module, or all of its tensors by the names in this model.
    """

    kind: ClassVar[str] = "between models"
    perturb: ClassVar[NamedPerturb] = "states"  # another model is reached only when all of it moves

    other: Other

    def write(self, layout: Layout, theta: Mapping[str, Tensor], *, out: Tensor) -> None:
        """Writes the direction to `out` [P]."""
        out.copy_(_difference(layout, theta, self.other))


def direction_between(layout: Layout, model: nn.Module, other: Other) -> Tensor:
    """The direction `theta_other - theta` from one model to another model of the same architecture.

    Args:
        layout: The flat buffer that the direction belongs to.
        model: Where the direction starts.
        other: The model at coordinate 1: a module, also in a wrapper such as `DataParallel`, `AveragedModel` or what
            `torch.compile` returns; or its state dict.

    Returns:
        Direction [P], float64, on the CPU.

    Raises:
        TypeError: When the other model is neither a module nor a state dict.
        ValueError: When the other model lacks a tensor, has a tensor of a different shape, has imaginary parts where
            the first model is real, is on the device "meta", or has values that are not finite and differ from the
            first model's.

    Example:
        >>> import torch
        >>> from fastscape.weights import direction_between, layout_of
        >>> a, b = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
        >>> d = direction_between(layout_of(a), a, b)
        >>> torch.allclose(layout_of(a).unflatten(d)["weight"], (b.weight - a.weight).double(), atol=1e-7)
        True

    Source: Goodfellow et al. 2015, arXiv 1412.6544; Garipov et al. 2018, arXiv 1802.10026.
    """
    return _difference(layout, tensors_of(model), model_given(model, other))


def _difference(layout: Layout, theta: Mapping[str, Tensor], other: Other) -> Tensor:
    end = named_as(list(theta), other)
    what = f"the other model, a {type(other).__name__}," if isinstance(other, nn.Module) else "the state dict"
    missing = [entry.name for entry in layout.entries if entry.name not in end]
    if missing:
        raise ValueError(f"{what} must be a model of the same architecture, but has no {listed(missing)}")
    check_present({entry.name: end[entry.name] for entry in layout.entries}, "the other model")
    start, stop = (layout.flatten(tensors, dtype=torch.float64, device="cpu") for tensors in (theta, end))
    found = torch.where(start == stop, 0.0, stop - start)  # a mask may hold the same infinities in both models
    if not found.isfinite().all():
        odd = [name for name, part in layout.unflatten(found).items() if not part.isfinite().all()]
        raise ValueError(
            f"no line leads to {what} whose {listed(odd)} differ and hold NaN or infinite values; give a model that "
            "can be evaluated"
        )
    return found
