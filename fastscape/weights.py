"""The perturbed tensors of a model as one flat buffer, and back.

Shapes: flat_P [P] or [G, P]. Tensors lie one behind the other, each beginning at a multiple of 16 entries, so that
every tensor of every point is aligned for the widest loads; the entries in between are 0 and belong to no tensor.

A filter is what produces one output channel or neuron (Li et al. 2018, arXiv 1712.09913, section 4): one row of a
linear or convolution weight. Where the output channel is not the first dimension, the tensor is stored with that
dimension in front, so that a filter is always contiguous. A tensor of one dimension is one segment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from fastscape.kernels import Segments

__all__ = ["Entry", "Layout", "Perturb", "layout_of", "select"]

Perturb: TypeAlias = "Literal['weights', 'weights+bias', 'all', 'states'] | Callable[[str, nn.Parameter], bool]"

ALIGNMENT = 16


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies in the flat buffer.

    Args:
        name: Its name in the model, as in `named_parameters` or `named_buffers`.
        shape: Its shape in the model.
        offset: Its first entry in the buffer.
        filters: How many filters it holds, each of `numel / filters` contiguous entries.
        split: The shape that it is viewed in before its dimensions are reordered; differs from `shape` only for
            grouped transposed convolutions.
        order: The dimensions of `split` in the order of storage.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    filters: int
    split: tuple[int, ...]
    order: tuple[int, ...]

    @property
    def numel(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        """The entry behind its last."""
        return self.offset + self.numel


@dataclass(frozen=True, eq=False)
class Layout:
    """The flat buffer of a selection of tensors.

    Args:
        entries: The tensors in the order of the model.

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

    @cached_property
    def size(self) -> int:
        """Entries of the buffer P, a multiple of 16."""
        return _aligned(self.entries[-1].stop) if self.entries else 0

    @cached_property
    def perturbed(self) -> int:
        """Entries that belong to a tensor."""
        return sum(entry.numel for entry in self.entries)

    @cached_property
    def segments(self) -> Segments:
        """The filters of all tensors; the padding behind a tensor is a segment of its own."""
        return Segments(torch.tensor([0, *self._cuts[0]], dtype=torch.int64))

    @cached_property
    def layer_of_segment(self) -> Tensor:
        """For each segment [S], int64, the number of its tensor in `entries`; padding counts to the tensor before."""
        return torch.tensor(self._cuts[1], dtype=torch.int64)

    @cached_property
    def _cuts(self) -> tuple[list[int], list[int]]:
        stops: list[int] = []
        layers: list[int] = []
        for layer, entry in enumerate(self.entries):
            if not entry.numel:
                continue
            length = entry.numel // entry.filters
            stops += range(entry.offset + length, entry.stop + 1, length)
            layers += [layer] * entry.filters
            if entry.stop % ALIGNMENT:
                stops.append(_aligned(entry.stop))
                layers.append(layer)
        return stops, layers

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
            dtype: Of the buffer; default: of the first tensor.
            device: Of the buffer; default: of the first tensor.
            out: A buffer [P] to write to instead of a new one; its dtype and device then count.

        Returns:
            The buffer [P]; its padding is 0.

        Raises:
            KeyError: When a tensor is missing.
            ValueError: When a tensor has another shape than its entry.
        """
        if out is None:
            first = tensors[self.entries[0].name]
            out = torch.empty(self.size, dtype=dtype or first.dtype, device=device or first.device)
        out.zero_()
        for entry in self.entries:
            tensor = tensors[entry.name]
            if tuple(tensor.shape) != entry.shape:
                raise ValueError(f"{entry.name} came with shape {tuple(tensor.shape)}; wanted {entry.shape}")
            stored = tensor.detach().reshape(entry.split).permute(entry.order)
            out[entry.offset : entry.stop].view(stored.shape).copy_(stored)
        return out

    def unflatten(self, flat: Tensor) -> dict[str, Tensor]:
        """The tensors of one point, or of a stack of points.

        Args:
            flat: A buffer [P] or [G, P].

        Returns:
            By name, a view of the buffer in the tensor's shape, or in [G, *shape]. Only grouped transposed
            convolutions are copies.
        """
        stack = flat.shape[:-1]
        lead = tuple(range(len(stack)))
        tensors = {}
        for entry in self.entries:
            stored = flat[..., entry.offset : entry.stop].view((*stack, *(entry.split[d] for d in entry.order)))
            back = tuple(len(stack) + entry.order.index(d) for d in range(len(entry.order)))
            tensors[entry.name] = stored.permute(lead + back).reshape((*stack, *entry.shape))
        return tensors


def select(model: nn.Module, perturb: Perturb = "weights") -> dict[str, Tensor]:
    """The tensors of a model that a landscape moves.

    Tied parameters appear once, under their first name, and move together. Frozen parameters are weights like
    the others; leave them out with `perturb=lambda name, p: p.requires_grad`.

    Args:
        model: The model.
        perturb: "weights", parameters of two or more dimensions (the paper's "ignore bias and batch norm");
            "weights+bias", also the biases of layers that have such a weight: convolutions, linear, recurrent and
            attention layers; "all", every floating-point parameter; "states", also every floating-point buffer; or
            a function of name and parameter that returns whether it moves. Default "weights".

    Returns:
        The selected tensors by name, in the order of the model; none is copied.

    Raises:
        ValueError: When the model has no parameters, one of them is uninitialised or complex, the selection is
            unknown, or it selects nothing.

    Example:
        >>> import torch
        >>> from fastscape.weights import select
        >>> list(select(torch.nn.Linear(3, 2), "weights+bias"))
        ['weight', 'bias']
    """
    parameters = dict(model.named_parameters())
    _check_parameters(model, parameters)
    chosen = dict(filter(lambda item: item[1].is_floating_point(), parameters.items()))
    if callable(perturb):
        chosen = {name: p for name, p in chosen.items() if perturb(name, p)}
    elif perturb in ("weights", "weights+bias"):
        biases = _biases(model) if perturb == "weights+bias" else set()
        chosen = {name: p for name, p in chosen.items() if p.dim() >= 2 or name in biases}
    elif perturb not in ("all", "states"):
        raise ValueError(
            f"perturb={perturb!r} is unknown; wanted 'weights', 'weights+bias', 'all', 'states', or a function of "
            "name and parameter that returns True for what moves"
        )
    selected: dict[str, Tensor] = dict(chosen)
    if perturb == "states":
        selected |= {name: buffer for name, buffer in model.named_buffers() if buffer.is_floating_point()}
    if not sum(tensor.numel() for tensor in selected.values()):
        raise ValueError(
            f"perturb={perturb!r} selects nothing of {type(model).__name__}, whose parameters are "
            f"{', '.join(list(parameters)[:8])}; write perturb='all', or a function that selects some of them"
        )
    return selected


def layout_of(model: nn.Module, perturb: Perturb = "weights") -> Layout:
    """The flat buffer of the tensors that `select(model, perturb)` names.

    Args:
        model: The model.
        perturb: See `select`. Default "weights".

    Returns:
        The layout.
    """
    owners = _owners(model)
    entries = []
    offset = 0
    for name, tensor in select(model, perturb).items():
        split, order = _storage(owners[name], name.rpartition(".")[2], tensor)
        filters = 1 if tensor.dim() < 2 else math.prod(split[d] for d in order[: _filter_dims(split, tensor)])
        entries.append(Entry(name, tuple(tensor.shape), offset, filters, split, order))
        offset = _aligned(offset + tensor.numel())
    return Layout(tuple(entries))


def _storage(owner: nn.Module, leaf: str, tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape a tensor is split into and the order that brings its output channels to the front."""
    shape = tuple(tensor.shape)
    order = tuple(range(len(shape)))
    if leaf != "weight" or len(shape) < 2:
        return shape, order
    if isinstance(owner, nn.modules.conv._ConvTransposeNd):
        if owner.groups > 1:  # [in, out / groups, ...]: output channel (group, j) reads only the inputs of its group
            split = (owner.groups, shape[0] // owner.groups, *shape[1:])
            return split, (0, 2, 1, *range(3, len(split)))
        return shape, (1, 0, *order[2:])
    if type(owner).__name__ == "Conv1D" and not isinstance(owner, nn.Conv1d):  # GPT-2's linear layer: [in, out]
        return shape, (1, 0, *order[2:])
    return shape, order


def _filter_dims(split: tuple[int, ...], tensor: Tensor) -> int:
    """How many of the leading stored dimensions count the output channels."""
    return 1 + len(split) - tensor.dim()


def _check_parameters(model: nn.Module, parameters: Mapping[str, nn.Parameter]) -> None:
    if not parameters:
        raise ValueError(
            f"{type(model).__name__} has no parameters, so it has no loss landscape; give a trained model"
        )
    for name, parameter in parameters.items():
        if isinstance(parameter, nn.UninitializedParameter):
            raise ValueError(f"{name} is not initialised yet; run the model once on a batch before this call")
        if parameter.is_complex():
            raise ValueError(
                f"{name} is complex ({parameter.dtype}); wanted real parameters: store real and imaginary parts as "
                "two parameters"
            )


def _biases(model: nn.Module) -> set[str]:
    """Names of the one-dimensional biases whose layer also owns a weight of two or more dimensions."""
    return {
        f"{path}.{name}" if path else name
        for path, module in model.named_modules()
        if any(p.dim() >= 2 for p in module.parameters(recurse=False))
        for name, p in module.named_parameters(recurse=False)
        if "bias" in name and p.dim() == 1
    }


def _owners(model: nn.Module) -> dict[str, nn.Module]:
    """The module that holds each parameter and buffer, by the tensor's name."""
    return {
        f"{path}.{name}" if path else name: module
        for path, module in model.named_modules()
        for name in (*module._parameters, *module._buffers)
    }


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
