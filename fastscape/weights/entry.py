"""Where one tensor is in the flat buffer, and the order of its numbers there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fastscape.weights.complex_pairs import complex_of, pairs_of, real_of

__all__ = ["Entry"]


@dataclass(frozen=True)
class Entry:
    """The place of one tensor in the flat buffer.

    Args:
        name: Its name in the model, as in `named_parameters` or `named_buffers`.
        shape: Its shape in the model.
        offset: Its first entry in the buffer.
        filters: How many filters it holds, each of `numel / filters` contiguous entries.
        split: The shape in which it is viewed before its dimensions are reordered. It differs from `shape` only for
            grouped transposed convolutions, and for complex tensors, which end in pairs of real numbers.
        order: The dimensions of `split` in the order of storage.
        variance: Whether it is a running variance, which must stay positive.
        convolution: Whether it is the weight of a two-dimensional convolution, whose channels may be stored last.
        complex: Whether it is complex, with two real numbers per entry.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    filters: int
    split: tuple[int, ...]
    order: tuple[int, ...]
    variance: bool = False
    convolution: bool = False
    complex: bool = False

    @property
    def numel(self) -> int:
        """Number of entries in the buffer, all of them real."""
        return math.prod(self.split)

    @property
    def stop(self) -> int:
        """The position after its last entry."""
        return self.offset + self.numel

    def stored(self, tensor: Tensor) -> Tensor:
        """A tensor in the order in which it is stored.

        Args:
            tensor: In the shape of the model.

        Returns:
            The same numbers, with the dimensions `order` of `split`; a complex tensor as real numbers.

        Raises:
            ValueError: When it has a different shape, or imaginary parts where the model has none.
        """
        if tuple(tensor.shape) != self.shape:
            raise ValueError(f"{self.name} must have shape {self.shape}, got {tuple(tensor.shape)}")
        values = pairs_of(tensor.detach()) if self.complex else real_of(tensor.detach(), self.name)
        return values.reshape(self.split).permute(self.order)

    def storage(self, tensor: Tensor) -> Tensor:
        """A tensor of the model in the order of storage: a view, so that it can be written to.

        Args:
            tensor: In the shape of the model, with any strides; complex if the model's tensor is complex.

        Returns:
            A view with the dimensions `order` of `split`; a complex tensor as real numbers. A conjugate view gives a
            copy.
        """
        values = torch.view_as_real(tensor.resolve_conj()) if self.complex else tensor
        # Splitting a dimension gives a view for any strides.
        return (
            values.view(self.split).permute(self.order)
            if self.split != tuple(values.shape)
            else values.permute(self.order)
        )

    def taken(self, flat: Tensor) -> Tensor:
        """The tensor of one point, or of each point of a stack, in the shape of the model.

        Args:
            flat: Buffers [..., P].

        Returns:
            A view [..., *shape] if there is one, else a copy.
        """
        stack = flat.shape[:-1]
        tensor = self.split_view(flat)
        if self.complex:
            return complex_of(tensor).reshape((*stack, *self.shape))
        # Reshaping to the same shape gives a dimension of one channel a different stride, and so a different order.
        return tensor if self.split == self.shape else tensor.reshape((*stack, *self.shape))

    def split_view(self, flat: Tensor) -> Tensor:
        """The tensor of each point of a stack in the order of the model, before it gets the shape of the model.

        Args:
            flat: Buffers [..., P].

        Returns:
            A view [..., *split], always.
        """
        stack = flat.shape[:-1]
        stored = flat[..., self.offset : self.stop].view((*stack, *(self.split[d] for d in self.order)))
        back = tuple(len(stack) + self.order.index(d) for d in range(len(self.order)))
        return stored.permute(tuple(range(len(stack))) + back)
