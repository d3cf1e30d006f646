"""Directions of the user's own: vectors, or tensors by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.weights.complex_pairs import complex_of
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import check_present, listed
from fastscape.weights.selection import NamedPerturb

__all__ = ["Given", "direction_given"]


@dataclass(frozen=True, eq=False)
class Given:
    """A direction that is used as it is given.

    Args:
        entries: See `direction_given`.
    """

    kind: ClassVar[str] = "given"
    perturb: ClassVar[NamedPerturb] = "weights"

    entries: Mapping[str, Tensor] | Tensor | np.ndarray | Sequence[Tensor]

    def write(self, layout: Layout, theta: Mapping[str, Tensor], *, out: Tensor) -> None:
        """Writes the direction to `out` [P]."""
        buffers = [e.name for e in layout.entries if not isinstance(theta[e.name], nn.Parameter)]
        if not isinstance(self.entries, Mapping) and buffers:  # after all parameters, or each in its module? unclear
            raise ValueError(
                f"a direction without names cannot be used while buffers move too ({listed(buffers)}), because their "
                "place in it is not clear; give a dict of tensors by name"
            )
        out.copy_(direction_given(layout, self.entries))


def direction_given(
    layout: Layout, direction: Mapping[str, Tensor] | Tensor | np.ndarray | Sequence[Tensor]
) -> Tensor:
    """A direction of the user's own.

    Args:
        layout: The flat buffer that the direction belongs to.
        direction: A dict with a tensor of the same shape for each tensor that moves, by name; or a list of these
            tensors in the order of the model, as `torch.autograd.grad` returns them; or all entries as one vector or
            array in this order, as `torch.nn.utils.parameters_to_vector` returns it. If some tensors are complex, the
            vector is complex; a real vector has two numbers for each complex entry, the real part first. Real tensors
            get no imaginary part. Buffers follow after all parameters, unlike in a state dict.

    Returns:
        Direction [P], float64, on the CPU.

    Raises:
        TypeError: When the direction is something else.
        ValueError: When it has the wrong length or shape, names a tensor that does not move, lacks a tensor that
            moves, has imaginary parts for a real tensor, or is on the device "meta".

    Example:
        >>> import torch
        >>> from fastscape.weights import direction_given, layout_of
        >>> direction_given(layout_of(torch.nn.Linear(2, 1)), torch.tensor([3.0, 4.0]))[:3].tolist()
        [3.0, 4.0, 0.0]
    """
    names = [entry.name for entry in layout.entries]
    if isinstance(direction, np.ndarray):
        direction = torch.from_numpy(direction.copy())  # the array may be read-only
    if isinstance(direction, Tensor):
        direction = _by_name(layout, direction)
    elif isinstance(direction, list | tuple) and all(isinstance(part, Tensor) for part in direction):
        direction = _in_order(layout, direction)
    if not isinstance(direction, Mapping):
        raise TypeError(
            "a direction must be a module, a dict of tensors by name, a list of tensors, or a vector, got "
            f"{type(direction).__name__}"
        )
    for odd, fault in ((set(direction) - set(names), "does not move"), (set(names) - set(direction), "is missing")):
        if odd:
            first = listed(sorted(map(str, odd)), 1).removesuffix(", ...")
            raise ValueError(
                f"a direction must have tensors for {listed(names)}; {first} {fault}: choose with perturb=; to end at "
                "a different model, give the module"
            )
    check_present(direction, "a direction")
    return layout.flatten(direction, dtype=torch.float64, device="cpu")


def _in_order(layout: Layout, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """The tensors of a list, by name."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    wanted = [entry.shape for entry in layout.entries]
    if shapes != wanted:
        raise ValueError(
            f"a direction must be {len(wanted)} tensors of shapes {str(wanted)[:80]}, as "
            f"{listed([e.name for e in layout.entries])}, got a list of {len(shapes)} of shapes {str(shapes)[:80]}"
        )
    return {entry.name: tensor for entry, tensor in zip(layout.entries, tensors, strict=True)}


def _by_name(layout: Layout, vector: Tensor) -> dict[str, Tensor]:
    """The tensors that a vector holds one after another, by name."""
    entries = layout.entries
    sizes = [math.prod(entry.shape) if vector.is_complex() else entry.numel for entry in entries]
    if vector.shape != (sum(sizes),):
        of = listed([entry.name for entry in entries])
        wanted = f"({layout.perturbed},)"
        if layout.complex:
            count = sum(math.prod(entry.shape) for entry in entries)
            wanted = f"({count},) complex numbers, or {wanted} real ones with two for each complex one"
        raise ValueError(
            f"a direction must have shape {wanted}, the entries of {of} one after the other, got {tuple(vector.shape)}"
        )
    parts = dict(zip(entries, vector.split(sizes), strict=True))
    return {
        entry.name: complex_of(part.reshape(*entry.shape, 2).double())
        if entry.complex and not vector.is_complex()
        else part.view(entry.shape)
        for entry, part in parts.items()
    }
