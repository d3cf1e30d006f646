"""Rules of operations that compute: elementwise, matrix products, convolutions and normalisations."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from fastscape.paths.alignment.labels import Label, fixed, flat
from fastscape.paths.alignment.operations import NotKnownError, Operation, Rules, adding_to
from fastscape.paths.alignment.relations import (
    broadcast,
    broadcast_all,
    contract,
    divided,
    pin_axes,
    reduced,
    rows,
)

__all__ = ["POINTWISE", "RULES"]

RULES: Rules = {}
rule = adding_to(RULES)

POINTWISE = {
    "_prelu_kernel", "softplus", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "celu", "selu", "mish",
    "log_sigmoid", "threshold", "hardshrink", "softshrink", "relu6", "masked_fill", "where", "clamp", "lerp",
    "nan_to_num", "dropout", "glu_jvp", "rrelu_with_noise", "floor_divide", "relu", "silu", "gelu", "polar", "complex",
}  # fmt: skip
"""Elementwise operations that torch does not mark as pointwise, in addition to the marked operations."""


def pointwise(op: Operation) -> Label | list[Label]:
    """The label of an elementwise function of all tensors.

    Args:
        op: The operation.

    Returns:
        One label per result.

    Raises:
        NotKnownError: When there is no tensor.
    """
    labels = [op.label_of(value) for value in (*op.args, *op.kwargs.values()) if isinstance(value, Tensor)]
    if not labels:
        raise NotKnownError
    found = broadcast_all(op.ground, labels)
    return found if len(op.made) == 1 else [found] * len(op.made)


def product(op: Operation, one: tuple[str, Label], other: tuple[str, Label], out: str) -> Label:
    """See `contract`."""
    return contract(op.ground, one, other, out)


@rule("mm")
def _mm(op: Operation) -> Label:
    return product(op, ("mk", op.label(0)), ("kn", op.label(1)), "mn")


@rule("bmm")
def _bmm(op: Operation) -> Label:
    return product(op, ("bmk", op.label(0)), ("bkn", op.label(1)), "bmn")


@rule("mv")
def _mv(op: Operation) -> Label:
    return product(op, ("mk", op.label(0)), ("k", op.label(1)), "m")


@rule("dot", "vdot")
def _dot(op: Operation) -> Label:
    return product(op, ("k", op.label(0)), ("k", op.label(1)), "")


@rule("addmm", "_addmm_activation")
def _addmm(op: Operation) -> Label:
    made = product(op, ("mk", op.label(1)), ("kn", op.label(2)), "mn")
    return broadcast(op.ground, made, op.label(0))


@rule("baddbmm")
def _baddbmm(op: Operation) -> Label:
    made = product(op, ("bmk", op.label(1)), ("bkn", op.label(2)), "bmn")
    return broadcast(op.ground, made, op.label(0))


@rule("linear")
def _linear(op: Operation) -> Label:
    label = op.label(0)
    letters = "abcdefgh"[: len(label.dims) - 1]
    made = product(op, (letters + "k", label), ("nk", op.label(1)), letters + "n")
    return broadcast(op.ground, made, op.label(2)) if op.given(2) else made


@rule("convolution", "_convolution")
def _convolution(op: Operation) -> Label:
    """A product over the channels of each group; the places of the image are fixed."""
    image, weight = op.label(0), op.label(1)
    transposed, groups = bool(op.args[6]), int(op.args[8])
    alone = len(image.dims) < len(weight.dims)
    if alone:
        image = replace(image, dims=((), *image.dims))
    image = pin_axes(op.ground, image, set(flat(image.dims[2:])))
    weight = pin_axes(op.ground, weight, set(flat(weight.dims[2:])))
    channels = op.args[0].shape[0 if alone else 1]
    image, outer, inner = divided(op.ground, image, 1, channels // groups)
    first = op.args[1].shape[0] // groups
    weight, groups_of, within = divided(op.ground, weight, 0, first)
    shown = image.with_dims([image.dims[0], outer, inner])
    if transposed:
        read = "gco", weight.with_dims([groups_of, within, weight.dims[1]])
    else:
        read = "goc", weight.with_dims([groups_of, within, weight.dims[1]])
    made = product(op, ("ngc", shown), read, "ngo")
    places = fixed(op.shape[1 if alone else 2 :]).dims
    found = made.with_dims([made.dims[0], (*made.dims[1], *made.dims[2]), *places])
    if op.given(2):
        found = broadcast(op.ground, found, _along(op.label(2), 1, len(found.dims)))
    return replace(found, dims=found.dims[1:]) if alone else found


def _along(label: Label, dim: int, count: int) -> Label:
    """A one-dimensional tensor, broadcast to several dimensions."""
    return replace(label, dims=tuple(label.dims[0] if at == dim else () for at in range(count)))


@rule("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
def _batch_norm(op: Operation) -> list[Label]:
    """The image, and the statistics, which are not read in evaluation mode."""
    found = op.label(0)
    rows(op.ground, found, set(flat(axes for at, axes in enumerate(found.dims) if at != 1)))
    for at in range(1, 5):
        if op.given(at):
            found = broadcast(op.ground, found, _along(op.label(at), 1, len(found.dims)))
    statistic = reduced(op.ground, found, [at for at in range(len(found.dims)) if at != 1])
    return [found if at == 0 else statistic if made.dim() == 1 and len(made) > 1 else fixed(made.shape)
            for at, made in enumerate(op.made)]  # fmt: skip


@rule("native_layer_norm", "_fused_rms_norm")
def _layer_norm(op: Operation) -> list[Label]:
    found, count = op.label(0), len(op.args[1])
    dims = range(len(found.dims) - count, len(found.dims))
    rows(op.ground, found, set(flat(found.dims[at] for at in dims)))
    statistic = reduced(op.ground, found, dims, keep=True)
    for at in (2, 3):
        if op.given(at):
            found = broadcast(op.ground, found, op.label(at))
    return [found, *[statistic] * (len(op.made) - 1)]


@rule("native_group_norm")
def _group_norm(op: Operation) -> list[Label]:
    channels, groups = int(op.args[4]), int(op.args[6])
    found, _, inner = divided(op.ground, op.label(0), 1, channels // groups)
    rows(op.ground, found, {*inner, *flat(found.dims[2:])})
    for at in (1, 2):
        if op.given(at):
            found = broadcast(op.ground, found, _along(op.label(at), 1, len(found.dims)))
    return [found, *(fixed(made.shape) for made in op.made[1:])]  # the statistics are not read


@rule("_softmax", "_log_softmax", "_safe_softmax", "softmax", "log_softmax")
def _softmax(op: Operation) -> Label:
    label = op.label(0)
    rows(op.ground, label, set(label.dims[op.dim(1, -1)]))
    return label


@rule("native_dropout")
def _dropout(op: Operation) -> list[Label]:
    """Off in evaluation mode, so both results are elementwise."""
    if op.get(2, "train", None):
        raise NotKnownError
    return [op.label(0)] * len(op.made)


@rule("_weight_norm_interface", "_weight_norm")
def _weight_norm(op: Operation) -> Label | list[Label]:
    found = broadcast(op.ground, op.label(0), op.label(1))
    rows(op.ground, found, {axis for at, axes in enumerate(found.dims) for axis in axes if at != op.dim(2, 0)})
    return found if len(op.made) == 1 else [found, op.label(1)]
