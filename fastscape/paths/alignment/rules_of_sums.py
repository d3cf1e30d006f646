"""Rules of operations that sum over places or choose among them: sums, extremes, poolings, losses, gathers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from torch import Tensor

from fastscape.paths.alignment.labels import Label, fixed, flat, pin
from fastscape.paths.alignment.operations import NotKnownError, Operation, Rules, adding_to
from fastscape.paths.alignment.relations import broadcast, fix, pin_axes, pin_dim, reduced
from fastscape.paths.alignment.rules_of_values import pointwise

__all__ = ["RULES"]

RULES: Rules = {}
rule = adding_to(RULES)


@rule("cumsum", "cumprod", "logcumsumexp")
def _cumulative(op: Operation) -> Label:
    label = op.label(0)
    fix(op.ground, label, set(label.dims[op.dim(1, -1)]))
    return label


@rule(
    "sum", "mean", "amax", "amin", "var", "std", "var_mean", "std_mean", "prod", "logsumexp", "linalg_vector_norm",
    "norm", "any", "all", "nansum", "frobenius_norm", "aminmax",
)  # fmt: skip
def _sum(op: Operation) -> Label | list[Label]:
    label, at = op.label(0), 2 if op.name in ("linalg_vector_norm", "norm") else 1
    found = _reduced(op, label, _dims(op, at))
    return found if len(op.made) == 1 else [found] * len(op.made)


@rule("max", "min", "median", "mode")
def _extreme(op: Operation) -> Label | list[Label]:
    """The values, and their indices, which fix the axis."""
    if op.given(1):
        return pointwise(op)
    label, dims = op.label(0), _dims(op, 1)
    if len(op.made) > 1:
        fix(op.ground, label, {axis for dim in dims for axis in label.dims[dim]})
    found = _reduced(op, label, dims)
    return found if len(op.made) == 1 else [found] * len(op.made)


@rule("argmax", "argmin")
def _place_of_extreme(op: Operation) -> Label:
    label, dims = op.label(0), _dims(op, 1)
    fix(op.ground, label, {axis for dim in dims for axis in label.dims[dim]})
    return _reduced(op, label, dims)


def _dims(op: Operation, at: int) -> list[int]:
    """The dimensions that an operation sums over."""
    count = op.args[0].dim()
    given = op.get(at, "dim", None)
    if given is None or isinstance(given, bool) or (isinstance(given, list | tuple) and not given):
        return list(range(count))
    numbers: Iterable[Any] = given if isinstance(given, list | tuple) else [given]
    return [int(number) % max(count, 1) for number in numbers]


def _reduced(op: Operation, label: Label, dims: Collection[int]) -> Label:
    return reduced(op.ground, label, dims, keep=len(op.shape) == len(label.dims))


@rule(
    "max_pool2d_with_indices", "max_pool3d_with_indices", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "adaptive_max_pool2d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "upsample_nearest1d", "upsample_linear1d", "avg_pool1d",
    "upsample_nearest3d", "upsample_trilinear3d", "adaptive_avg_pool1d", "_upsample_nearest_exact2d", "max_pool2d",
)  # fmt: skip
def _pool(op: Operation) -> Label | list[Label]:
    """Places of an image, the same for every channel."""
    label = op.label(0)
    count = next((number for number in (1, 3) if f"{number}d" in op.name), 2)
    lead = len(label.dims) - count
    label = pin_axes(op.ground, label, set(flat(label.dims[lead:])))
    found = label.with_dims([*label.dims[:lead], *fixed(op.shape[lead:]).dims])
    return found if len(op.made) == 1 else [found] * len(op.made)


@rule(
    "nll_loss_forward", "nll_loss2d_forward", "nll_loss_nd", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
    "binary_cross_entropy", "kl_div", "multi_margin_loss", "multilabel_margin_loss_forward", "_ctc_loss",
)  # fmt: skip
def _loss(op: Operation) -> list[Label]:
    """Values that are compared with targets are not permuted."""
    for value in op.args:
        if isinstance(value, Tensor):
            pin(op.ground, op.label_of(value))
    return [fixed(made.shape) for made in op.made]


@rule("topk")
def _topk(op: Operation) -> list[Label]:
    """The largest values and their indices, which fix the axis."""
    dim = int(op.get(2, "dim", -1)) % op.args[0].dim()
    label = pin_dim(op.ground, op.label(0), dim)
    found = label.with_dims(fixed(op.shape).dims[at] if at == dim else a for at, a in enumerate(label.dims))
    return [found] * len(op.made)


@rule("gather")
def _gather(op: Operation) -> Label:
    """Indices along one dimension fix it; the other dimensions share their places."""
    dim, places = op.dim(1, 0), op.args[2]
    if any(a != b for at, (a, b) in enumerate(zip(op.args[0].shape, places.shape, strict=True)) if at != dim):
        raise NotKnownError
    label = pin_dim(op.ground, op.label(0), dim)
    label = label.with_dims(() if at == dim else axes for at, axes in enumerate(label.dims))
    return broadcast(op.ground, pin_dim(op.ground, op.label(2), dim), label)


@rule("tril", "triu")
def _triangle(op: Operation) -> Label:
    label = op.label(0)
    for dim in (-2, -1):
        label = pin_dim(op.ground, label, dim % len(label.dims))
    return label


@rule("index_add", "index_copy", "index_put", "_index_put_impl")
def _index_add(op: Operation) -> Label:
    """Rows that are added to other rows, elementwise within a row."""
    label = op.label(0)
    if op.name in ("index_add", "index_copy"):
        dim = op.dim(1, 0)
        pin(op.ground, op.label(2))
        label = pin_dim(op.ground, label, dim)
        source = pin_dim(op.ground, op.label(3), dim)
        rest = [axes for at, axes in enumerate(source.dims) if at != dim]
        shown = source.with_dims([*rest[:dim], (), *rest[dim:]])
        found = broadcast(op.ground, label.with_dims(() if at == dim else a for at, a in enumerate(label.dims)), shown)
        return found.with_dims(label.dims[dim] if at == dim else axes for at, axes in enumerate(found.dims))
    places = [place for place in op.args[1] if place is not None]
    if len(places) != 1 or op.args[1][0] is None or places[0].dtype.itemsize == 1 or places[0].dim() != 1:
        raise NotKnownError
    pin(op.ground, op.label_of(places[0]))
    label = pin_dim(op.ground, label, 0)
    source = op.label(2)
    if len(source.dims) == len(label.dims):
        source = pin_dim(op.ground, source, 0)
        source = source.with_dims([(), *source.dims[1:]])
    found = broadcast(op.ground, label.with_dims([(), *label.dims[1:]]), source)
    return found.with_dims([label.dims[0], *found.dims[1:]])
