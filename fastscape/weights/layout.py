"""The perturbed tensors of a model as one flat buffer, and back.

Shapes: flat_P [P] or [G, P]. Tensors follow one another, each beginning at a multiple of 16 entries, so that every
tensor of every point is aligned for the widest loads. The entries in between are 0 and belong to no tensor.

A filter produces one output channel or neuron (Li et al. 2018, arXiv 1712.09913, section 4): it is one row of a linear
or convolution weight. For the norm "filter-input" a filter of a dense layer is the weights of one input, one column.
If the output channel is not the first dimension, the tensor is stored with that dimension first, so that a filter is
always contiguous. A tensor of one dimension is one segment. A complex tensor has two real entries for each complex
entry, and the same filters (`fastscape.weights.complex_pairs`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from fastscape.kernels import Segments
from fastscape.weights.entry import Entry
from fastscape.weights.selection import Perturb, owners, select

__all__ = ["Layout", "convolutions", "in_channels_last", "layout_of"]

ALIGNMENT = 16


@dataclass(frozen=True, eq=False)
class Layout:
    """The flat buffer of a selection of tensors.

    Args:
        entries: The tensors in the order of the model.
        channels_last: Whether the weights of two-dimensional convolutions are stored with their channels last, each
            filter in the order height, width, channel. Convolutions on channels-last images read this order without a
            copy.

    Example:
        >>> import torch
        >>> from fastscape.weights import layout_of, select
        >>> model = torch.nn.Linear(3, 2)
        >>> layout = layout_of(model)
        >>> layout.perturbed, layout.size
        (6, 16)
        >>> flat = layout.flatten(select(model))
        >>> bool((layout.unflatten(flat)["weight"] == model.weight).all())
        True
    """

    entries: tuple[Entry, ...]
    channels_last: bool = False

    @cached_property
    def size(self) -> int:
        """Entries of the buffer P, a multiple of 16."""
        return _aligned(self.entries[-1].stop) if self.entries else 0

    @cached_property
    def perturbed(self) -> int:
        """Number of entries that belong to a tensor: two for each complex entry."""
        return sum(entry.numel for entry in self.entries)

    @cached_property
    def complex(self) -> bool:
        """Whether a tensor is complex."""
        return any(entry.complex for entry in self.entries)

    @cached_property
    def segments(self) -> Segments:
        """The filters of all tensors; the padding after a tensor is a segment of its own."""
        return Segments(torch.tensor([0, *self._cuts[0]], dtype=torch.int64, device="cpu"))

    @cached_property
    def layer_of_segment(self) -> Tensor:
        """For each segment [S], int64, the index of its tensor in `entries`; padding belongs to the tensor before."""
        return torch.tensor(self._cuts[1], dtype=torch.int64, device="cpu")

    @cached_property
    def segments_of(self) -> dict[str, slice]:
        """For each tensor, by name, the slice of segments that are its filters."""
        layer = self.layer_of_segment
        firsts = torch.searchsorted(layer, torch.arange(len(self.entries), device="cpu")).tolist()
        return {
            entry.name: slice(first, first + entry.filters if entry.numel else first)
            for entry, first in zip(self.entries, firsts, strict=True)
        }

    @cached_property
    def drawn(self) -> Tensor:
        """For each segment [S], bool, whether random directions move it: neither padding nor a running variance."""
        return torch.tensor(self._cuts[2], dtype=torch.bool, device="cpu")

    @cached_property
    def _cuts(self) -> tuple[list[int], list[int], list[bool]]:
        stops: list[int] = []
        layers: list[int] = []
        drawn: list[bool] = []
        for layer, entry in enumerate(self.entries):
            if not entry.numel:
                continue
            length = entry.numel // entry.filters
            stops += range(entry.offset + length, entry.stop + 1, length)
            layers += [layer] * entry.filters
            drawn += [not entry.variance] * entry.filters  # noise would make a variance negative
            if entry.stop % ALIGNMENT:
                stops.append(_aligned(entry.stop))
                layers.append(layer)
                drawn.append(False)
        return stops, layers, drawn

    def relaid(self, vectors: Tensor, *, channels_last: bool) -> Layout:
        """Reorders vectors in place, so that convolutions have their channels last, or no longer have them last.

        Every filter keeps its place, so the segments are the same.

        Args:
            vectors: Buffers [K, P] of this layout; afterwards of the returned layout.
            channels_last: Whether to store the channels last.

        Returns:
            The layout of the reordered vectors.
        """
        if channels_last == self.channels_last:
            return self
        wanted = self.reordered(channels_last=channels_last)
        for entry, other in zip(self.entries, wanted.entries, strict=True):
            if entry.convolution:
                tensors, order = entry.taken(vectors), other.order
                stored = tensors.permute(0, *(1 + d for d in order)).reshape(len(vectors), -1)
                vectors[:, entry.offset : entry.stop] = stored.clone()  # with one channel reshape makes no copy
        return wanted

    def reordered(self, *, channels_last: bool) -> Layout:
        """The layout of vectors that are still to be written, with convolutions in the given order.

        Args:
            channels_last: Whether to store the channels last.

        Returns:
            The layout.
        """
        order = (0, 2, 3, 1) if channels_last else (0, 1, 2, 3)
        entries = (replace(entry, order=order) if entry.convolution else entry for entry in self.entries)
        return Layout(tuple(entries), channels_last)

    def flatten(
        self,
        tensors: Mapping[str, Tensor],
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """The tensors copied into one flat buffer.

        Args:
            tensors: A tensor for each entry, by name, in the shape of the model.
            dtype: Dtype of the buffer, a real one. Default: the dtype of the first tensor, or of its real part.
            device: Device of the buffer. Default: the device of the first tensor.
            out: A buffer [P] to write to instead of a new one. Its dtype and device then apply.

        Returns:
            The buffer [P]; its padding is 0.

        Raises:
            KeyError: When a tensor is missing.
            ValueError: When a tensor and its entry differ in shape, or the tensor is complex and the entry real.
        """
        if out is None:
            first = tensors[self.entries[0].name]
            out = torch.empty(self.size, dtype=dtype or first.real.dtype, device=device or first.device)
        out.zero_()
        for entry in self.entries:
            stored = entry.stored(tensors[entry.name])
            out[entry.offset : entry.stop].view(stored.shape).copy_(stored)
        return out

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """The tensors of one point, or of a stack of points.

        Args:
            flat: A buffer [P] or [G, P].

        Returns:
            By name, a view of the buffer in the tensor's shape, or in [G, *shape]. Only grouped transposed
            convolutions, and complex tensors of a buffer narrower than float32, are copies.
        """
        return {entry.name: entry.taken(flat) for entry in self.entries}


def layout_of(model: nn.Module, perturb: Perturb = "weights", *, by_input: bool = False) -> Layout:
    """The flat buffer of the tensors that `select(model, perturb)` names.

    Args:
        model: The model.
        perturb: See `select`. Default "weights".
        by_input: Whether a filter of a dense layer (`nn.Linear`, or the `Conv1D` of GPT-2) is the weights of one
            input, not of one output. Default False.

    Returns:
        The layout, for the functions of `fastscape.weights.directions`.

    Example:
        >>> import torch
        >>> from fastscape.weights import layout_of
        >>> layout_of(torch.nn.Linear(3, 2), perturb="all").perturbed
        8
        >>> layout_of(torch.nn.Linear(3, 2), by_input=True).entries[0].filters
        3
    """
    selected = select(model, perturb)  # refuses what has no shape yet
    owner_of, spatial = owners(model), convolutions(model)
    entries = []
    offset = 0
    for name, tensor in selected.items():
        owner, leaf = owner_of[name]
        split, order = _storage(owner, leaf, tensor, by_input)
        filters = 1 if tensor.dim() < 2 else math.prod(split[d] for d in order[: _filter_dims(split, tensor)])
        variance = isinstance(owner, nn.modules.batchnorm._NormBase) and leaf == "running_var"
        if tensor.is_complex():
            split, order = (*split, 2), (*order, len(split))
        entries.append(
            Entry(
                name,
                tuple(tensor.shape),
                offset,
                filters,
                split,
                order,
                variance=variance,
                convolution=name in spatial,
                complex=tensor.is_complex(),
            )
        )
        offset = _aligned(entries[-1].stop)
    return Layout(tuple(entries))


def convolutions(model: nn.Module) -> set[str]:
    """The names of the weights of two-dimensional convolutions, except complex weights, which keep their order.

    Args:
        model: The model.

    Returns:
        Names as in `named_parameters`.
    """
    owner_of = owners(model)
    return {
        name
        for name, tensor in model.named_parameters()
        if tensor.dim() == 4
        and not tensor.is_complex()
        and owner_of[name][1] == "weight"
        and isinstance(owner_of[name][0], nn.Conv2d)
    }


def in_channels_last(tensor: Tensor) -> Tensor:
    """A copy whose dimension 1 is the innermost in memory.

    `tensor.to(memory_format=torch.channels_last)` does not change a tensor with one channel, because both orders are
    the same for it. Torch then runs the convolution without channels last.

    Args:
        tensor: Images or weights [n, c, h, w].

    Returns:
        The same values in the strides [h w c, 1, w c, c].
    """
    n, c, h, w = tensor.shape
    strides = (h * w * c, 1, w * c, c)
    return torch.empty_strided((n, c, h, w), strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _storage(owner: nn.Module, leaf: str, tensor: Tensor, by_input: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape a tensor is split into and the order that brings its filters to the front."""
    shape = tuple(tensor.shape)
    order = tuple(range(len(shape)))
    if leaf != "weight" or len(shape) < 2:
        return shape, order
    if isinstance(owner, nn.modules.conv._ConvTransposeNd):
        if shape[:2] != (owner.in_channels, owner.out_channels // owner.groups):  # the magnitudes of a weight norm
            return shape, order
        if owner.groups > 1:  # output channel (group, j) reads only the inputs of its group
            split = (owner.groups, shape[0] // owner.groups, *shape[1:])
            return split, (0, 2, 1, *range(3, len(split)))
        return shape, (1, 0, *order[2:])
    if type(owner).__name__ == "Conv1D" and not isinstance(owner, nn.Conv1d):  # GPT-2's linear layer: [in, out]
        return shape, order if by_input else (1, 0)
    # The magnitudes of a weight norm are no matrix of this shape.
    if by_input and isinstance(owner, nn.Linear) and shape == (owner.out_features, owner.in_features):
        return shape, (1, 0)
    return shape, order


def _filter_dims(split: tuple[int, ...], tensor: Tensor) -> int:
    """How many of the leading stored dimensions count the output channels."""
    return 1 + len(split) - tensor.dim()


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
