"""Rules of operations that move values without computing: views, slices, concatenations, paddings and lookups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from fastscape.paths.alignment.labels import (
    Axis,
    Label,
    UnalignedError,
    cut,
    fixed,
    flat,
    pin,
    size_of,
    trailing,
)
from fastscape.paths.alignment.operations import NotKnownError, Operation, Rules, adding_to
from fastscape.paths.alignment.pieces import joined, taken
from fastscape.paths.alignment.relations import broadcast, divided, pin_axes, pin_dim

__all__ = ["RULES"]

RULES: Rules = {}
rule = adding_to(RULES)


def viewed(op: Operation, label: Label, shape: Sequence[int]) -> Label:
    """The label of a view.

    Args:
        op: The operation.
        label: The label of the tensor.
        shape: The new shape.

    Returns:
        The label.
    """
    axes = flat(label.dims)
    try:
        label, axes = cut(label, axes, trailing([Axis(size) for size in shape]))
    except UnalignedError:
        op.lost()
        pin(op.ground, label)
        return fixed(shape)
    dims: list[tuple[Axis, ...]] = []
    for size in reversed(shape):
        own: list[Axis] = []
        while size_of(own) < size:
            own.insert(0, axes.pop())
        dims.insert(0, tuple(own))
    return replace(label, dims=tuple(dims))


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy")
def _view(op: Operation) -> Label:
    return viewed(op, op.label(0), op.shape)


@rule("clone", "detach", "alias", "_to_copy", "lift_fresh", "lift_fresh_copy", "contiguous", "positive", "fill_same")
def _same(op: Operation) -> Label:
    return op.label(0)


@rule("permute")
def _permute(op: Operation) -> Label:
    label = op.label(0)
    return label.with_dims(label.dims[at] for at in op.args[1])


@rule("transpose", "t", "numpy_T", "swapaxes")
def _transpose(op: Operation) -> Label:
    label = op.label(0)
    dims = list(label.dims)
    one, other = (op.args[1], op.args[2]) if len(op.args) > 2 else (0, -1)
    if len(dims) > 1:
        dims[one], dims[other] = dims[other], dims[one]
    return label.with_dims(dims)


@rule("unsqueeze", "squeeze", "expand")
def _expand(op: Operation) -> Label:
    """Dimensions of size 1 have no axes: only the mapping between dimensions of result and operand matters."""
    label, shape = op.label(0), op.shape
    if op.name == "expand":
        before = len(shape) - len(label.dims)
        dims = [() if at < before else label.dims[at - before] for at in range(len(shape))]
    else:
        waiting = [axes for axes in label.dims if axes]
        dims = [waiting.pop(0) if size != 1 else () for size in shape]
    new = {at: Axis(size) for at, (axes, size) in enumerate(zip(dims, shape, strict=True)) if not axes and size != 1}
    shown = replace(label, free=label.free | set(new.values()))
    return replace(shown, dims=tuple((new[at],) if at in new else axes for at, axes in enumerate(dims)))


@rule("repeat")
def _repeat(op: Operation) -> Label:
    label, times = op.label(0), op.args[1]
    before = len(times) - len(label.dims)
    dims: list[tuple[Axis, ...]] = []
    new: list[Axis] = []
    for at, count in enumerate(times):
        own = label.dims[at - before] if at >= before else ()
        if count != 1:
            new.append(Axis(count))
            own = (new[-1], *own)
        dims.append(own)
    return replace(label, dims=tuple(dims), free=label.free | set(new))


@rule("slice", "narrow")
def _slice(op: Operation) -> Label:
    dim = op.dim(1, 0)
    size = size_of(op.label(0).dims[dim])
    start, stop = (op.get(2, "start", None), op.get(3, "end", None))
    if op.name == "narrow":
        stop = start + stop
    return taken(op.ground, op.label(0), dim, np.arange(size)[slice(start, stop, op.get(4, "step", 1))])


@rule("select")
def _select(op: Operation) -> Label:
    dim = op.dim(1, 0)
    size = size_of(op.label(0).dims[dim])
    label = taken(op.ground, op.label(0), dim, np.array([int(op.args[2]) % size]))
    return label.with_dims(axes for at, axes in enumerate(label.dims) if at != dim)


@rule("unbind")
def _unbind(op: Operation) -> list[Label]:
    dim = op.dim(1, 0)
    found = []
    for place in range(size_of(op.label(0).dims[dim])):
        label = taken(op.ground, op.label(0), dim, np.array([place]))
        found.append(label.with_dims(axes for at, axes in enumerate(label.dims) if at != dim))
    return found


@rule("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes", "chunk", "unsafe_chunk")
def _split(op: Operation) -> list[Label]:
    dim = op.dim(2, 0)
    found, start = [], 0
    for made in op.made:
        size = made.shape[dim]
        found.append(taken(op.ground, op.label(0), dim, np.arange(start, start + size)))
        start += size
    return found


@rule("glu")
def _gated(op: Operation) -> Label:
    dim = op.dim(1, -1)
    size = size_of(op.label(0).dims[dim]) // 2
    halves = [taken(op.ground, op.label(0), dim, np.arange(start, start + size)) for start in (0, size)]
    return broadcast(op.ground, *halves)


@rule("flip")
def _flip(op: Operation) -> Label:
    label = op.label(0)
    for dim in op.args[1]:
        label = taken(op.ground, label, dim % len(label.dims), np.arange(size_of(label.dims[dim]))[::-1].copy())
    return label


@rule("roll")
def _roll(op: Operation) -> Label:
    label, dims = op.label(0), op.get(2, "dims", [])
    shifts = op.args[1] if isinstance(op.args[1], list | tuple) else [op.args[1]]
    if not dims:
        raise NotKnownError
    for shift, dim in zip(shifts, dims, strict=True):
        label = taken(op.ground, label, dim % len(label.dims), np.roll(np.arange(size_of(label.dims[dim])), shift))
    return label


@rule("cat", "concat")
def _cat(op: Operation) -> Label:
    labels = [op.label_of(tensor) for tensor in op.args[0] if tensor.numel() or tensor.dim() != 1]
    return joined(op.ground, labels, op.dim(1, 0))


@rule("stack")
def _stack(op: Operation) -> Label:
    dim = op.dim(1, 0)
    labels = [op.label_of(tensor) for tensor in op.args[0]]
    return joined(op.ground, [replace(a, dims=(*a.dims[:dim], (), *a.dims[dim:])) for a in labels], dim)


@rule("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d")
def _pad(op: Operation) -> Label:
    label, pads = op.label(0), list(op.args[1])
    for at in range(len(pads) // 2):
        dim, before, after = len(label.dims) - 1 - at, pads[2 * at], pads[2 * at + 1]
        if before < 0 or after < 0:
            size = size_of(label.dims[dim])
            label = taken(op.ground, label, dim, np.arange(size)[max(-before, 0) : size - max(-after, 0)])
        if op.name != "constant_pad_nd":
            label = pin_dim(op.ground, label, dim)
        around = [_filled(label, dim, before), label, _filled(label, dim, after)]
        pieces = [piece for piece in around if piece is not None]
        label = joined(op.ground, pieces, dim) if len(pieces) > 1 else label
    return label


def _filled(label: Label, dim: int, size: int) -> Label | None:
    """A constant tensor with the size of another tensor, except in one dimension."""
    if size <= 0:
        return None
    sizes = [size if at == dim else size_of(axes) for at, axes in enumerate(label.dims)]
    made = fixed(sizes)
    return replace(made, free=frozenset(flat(made.dims)))


@rule("embedding")
def _embedding(op: Operation) -> Label:
    weight = pin_dim(op.ground, op.label(0), 0)
    where = fixed(op.args[1].shape)
    return replace(weight, dims=(*where.dims, weight.dims[1]), free=weight.free - set(weight.dims[0]))


@rule("index_select")
def _index_select(op: Operation) -> Label:
    dim, places = op.dim(1, 0), op.args[2]
    if op.label_of(places).constant:
        return taken(op.ground, op.label(0), dim, places.reshape(-1).cpu().numpy().astype(np.int64))
    label = pin_dim(op.ground, op.label(0), dim)
    return label.with_dims(fixed([op.shape[at]]).dims[0] if at == dim else d for at, d in enumerate(label.dims))


@rule("index")
def _index(op: Operation) -> Label:
    """Selects places along some dimensions, which are then fixed; the other dimensions are unchanged."""
    label, places = op.label(0), list(op.args[1])
    places += [None] * (len(label.dims) - len(places))
    given = [at for at, place in enumerate(places) if place is not None]
    if any(places[at].dtype.itemsize == 1 and places[at].dim() > 1 for at in given):  # a mask
        raise NotKnownError
    for place in given:
        pin(op.ground, op.label_of(places[place]))
    together = given == list(range(given[0], given[-1] + 1))
    label = pin_axes(op.ground, label, {axis for at in given for axis in label.dims[at]})
    left = [axes for at, axes in enumerate(label.dims) if at not in given]
    at = given[0] if together else 0
    shape = op.shape[at : len(op.shape) - len(left) + at]
    return label.with_dims([*left[:at], *fixed(shape).dims, *left[at:]])


@rule("pixel_shuffle", "pixel_unshuffle")
def _pixels(op: Operation) -> Label:
    label, factor = op.label(0), int(op.args[1])
    *lead, channels, height, width = op.args[0].shape
    square = factor * factor
    if op.name == "pixel_shuffle":
        shape = [*lead, channels // square, factor, factor, height, width]
        order = [0, 3, 1, 4, 2]
    else:
        shape = [*lead, channels, height // factor, factor, width // factor, factor]
        order = [0, 2, 4, 1, 3]
    label = viewed(op, label, shape)
    count = len(lead)
    label = label.with_dims([*label.dims[:count], *(label.dims[count + at] for at in order)])
    return viewed(op, label, op.shape)


@rule("channel_shuffle", "native_channel_shuffle")
def _channel_shuffle(op: Operation) -> Label:
    groups, shape = int(op.args[1]), op.shape
    label, outer, inner = divided(op.ground, op.label(0), 1, shape[1] // groups)
    return label.with_dims([label.dims[0], (*inner, *outer), *label.dims[2:]])


@rule("im2col")
def _im2col(op: Operation) -> Label:
    label = op.label(0)
    channels, patch = op.args[0].shape[-3], math.prod(op.args[1])
    label = pin_axes(op.ground, label, set(flat(label.dims[-2:])))
    made = fixed([patch, op.shape[-1]])
    assert channels * patch == op.shape[-2]
    return label.with_dims([*label.dims[:-3], (*label.dims[-3], *made.dims[0]), made.dims[1]])


@rule("copy")
def _copy(op: Operation) -> Label:
    """Overwritten values do not matter; views of them are handled elsewhere."""
    shape = op.args[0].shape
    frame = fixed(shape)
    return broadcast(op.ground, replace(frame, free=frozenset(flat(frame.dims))), op.label(1))


@rule("fill", "zero")
def _fill(op: Operation) -> Label:
    frame = fixed(op.args[0].shape)
    value = op.args[1] if len(op.args) > 1 else None
    if isinstance(value, Tensor):
        pin(op.ground, op.label_of(value))
    return replace(frame, free=frozenset(flat(frame.dims)))
