"""Relations between the atoms of operands: elementwise functions, products, and sums over axes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from fastscape.paths.alignment.ground import Atoms, Ground
from fastscape.paths.alignment.labels import (
    Axis,
    Bundle,
    Label,
    UnalignedError,
    common,
    cut,
    flat,
    overlapping,
    size_of,
)

__all__ = [
    "broadcast",
    "broadcast_all",
    "contract",
    "divided",
    "fix",
    "onto",
    "pin_axes",
    "pin_dim",
    "reduced",
    "rows",
]


def onto(ground: Ground, bundle: Bundle, axes: Sequence[Axis]) -> Atoms:
    """The atoms of some axes of a bundle: blocks of atoms that differ only in the other axes.

    Args:
        ground: The atoms.
        bundle: The bundle.
        axes: Some of its axes.

    Returns:
        Atoms [sizes of the axes].
    """
    order = [bundle.axes.index(axis) for axis in axes]
    order += [at for at in range(len(bundle.axes)) if at not in order]
    atoms = bundle.atoms.transpose(order)
    if len(axes) == len(bundle.axes):
        return atoms
    shape = atoms.shape[: len(axes)]
    made = [ground.block(row) for row in atoms.reshape(int(np.prod(shape)), -1)]
    return np.array(made, dtype=np.int64).reshape(shape)


def fix(ground: Ground, label: Label, axes: Collection[Axis]) -> None:
    """Declares that places along some axes are distinct.

    Args:
        ground: The atoms.
        label: A label.
        axes: Axes of it.
    """
    for bundle in label.touched(axes):
        places = np.zeros(bundle.atoms.shape, dtype=np.int64)
        for at, axis in enumerate(bundle.axes):
            if axis in axes:
                shape = [1] * len(bundle.axes)
                shape[at] = axis.size
                places = places * axis.size + np.arange(axis.size).reshape(shape)
        ground.apart(bundle.atoms, places)


def pin_axes(ground: Ground, label: Label, axes: Collection[Axis]) -> Label:
    """Fixes some axes; other axes that were bundled with them may still be permuted.

    Args:
        ground: The atoms.
        label: A label.
        axes: Axes of it.

    Returns:
        The new label, in which these axes are fixed or free.
    """
    fix(ground, label, axes)
    bundles = []
    for bundle in label.bundles:
        rest = tuple(axis for axis in bundle.axes if axis not in axes)
        if rest:
            bundles.append(bundle if len(rest) == len(bundle.axes) else Bundle(rest, onto(ground, bundle, rest)))
    return replace(label, bundles=tuple(bundles))


def pin_dim(ground: Ground, label: Label, dim: int) -> Label:
    """Fixes a dimension, which becomes one fixed axis.

    Args:
        ground: The atoms.
        label: A label.
        dim: The number of the dimension.

    Returns:
        The new label.
    """
    label = pin_axes(ground, label, label.dims[dim])
    size = size_of(label.dims[dim])
    dims = [((Axis(size),) if size != 1 else ()) if at == dim else axes for at, axes in enumerate(label.dims)]
    return label.with_dims(dims)


def rows(ground: Ground, label: Label, axes: Collection[Axis]) -> None:
    """Declares that places that differ only along some axes stay together: each row of a softmax.

    Args:
        ground: The atoms.
        label: A label.
        axes: The axes of a row.
    """
    for bundle in label.touched(axes):
        rest = [axis for axis in bundle.axes if axis not in axes]
        if rest:
            onto(ground, bundle, rest)


def reduced(ground: Ground, label: Label, dims: Collection[int], *, keep: bool = False) -> Label:
    """The label of a sum, or anything else that does not depend on the order, over some dimensions.

    Args:
        ground: The atoms.
        label: The label of the summed tensor.
        dims: The dimensions.
        keep: Whether they stay, with size 1. Default False.

    Returns:
        The label.
    """
    gone = {axis for dim in dims for axis in label.dims[dim]}
    bundles = []
    for bundle in label.bundles:
        rest = tuple(axis for axis in bundle.axes if axis not in gone)
        if len(rest) == len(bundle.axes):
            bundles.append(bundle)
        elif rest:
            bundles.append(Bundle(rest, onto(ground, bundle, rest)))
    shown = [() if at in dims else axes for at, axes in enumerate(label.dims) if keep or at not in dims]
    return Label(tuple(shown), tuple(bundles), label.free - gone)


def broadcast(ground: Ground, one: Label, other: Label) -> Label:
    """The label of an elementwise function of two tensors.

    Args:
        ground: The atoms.
        one: A label.
        other: Another label; dimensions that are missing or of size 1 are broadcast.

    Returns:
        The label.
    """
    count, other = max(len(one.dims), len(other.dims)), other.anew()
    one = replace(one, dims=((),) * (count - len(one.dims)) + one.dims)
    other = replace(other, dims=((),) * (count - len(other.dims)) + other.dims)
    for dim in range(count):
        if one.dims[dim] and other.dims[dim]:
            try:
                one, other, _ = common(one, one.dims[dim], other, other.dims[dim])
            except UnalignedError:
                one, other = pin_dim(ground, one, dim), pin_dim(ground, other, dim)
                one, other, _ = common(one, one.dims[dim], other, other.dims[dim])
    dims = tuple(a or b for a, b in zip(one.dims, other.dims, strict=True))
    return _merged(ground, one, other, dims)


def _merged(ground: Ground, one: Label, other: Label, dims: tuple[tuple[Axis, ...], ...]) -> Label:
    """The bundles of both labels, after making shared axes equal."""
    for label, against in ((one, other), (other, one)):
        still = set(flat(against.dims)) - against.bundled - against.free
        fix(ground, label, still)
    for bundle in one.bundles:
        for their in other.bundles:
            shared = [axis for axis in bundle.axes if axis in their.axes]
            if shared:
                ground.unite(onto(ground, bundle, shared), onto(ground, their, shared))
    bundles = _disjoint(ground, [*one.bundles, *other.bundles])
    still = {a for label in (one, other) for a in flat(label.dims) if a not in label.free}
    return Label(dims, tuple(bundles), frozenset(set(flat(dims)) - still))


def _disjoint(ground: Ground, bundles: Sequence[Bundle]) -> list[Bundle]:
    """Equivalent bundles that share no axis; bundles that share an axis agree there."""
    found = list(bundles)
    while (pair := overlapping(found)) is not None:
        one, other = pair
        if set(other.axes) <= set(one.axes):
            found.remove(other)
        elif set(one.axes) <= set(other.axes):
            found.remove(one)
        else:
            axes = tuple(dict.fromkeys([*one.axes, *other.axes]))
            made = Bundle(axes, ground.fresh(axis.size for axis in axes))
            for part in pair:
                ground.unite(onto(ground, made, part.axes), part.atoms)
                found.remove(part)
            found.append(made)
    return found


def broadcast_all(ground: Ground, labels: Sequence[Label]) -> Label:
    """The label of an elementwise function of several tensors; see `broadcast`."""
    found = labels[0]
    for label in labels[1:]:
        found = broadcast(ground, found, label)
    return found


def contract(ground: Ground, one: tuple[str, Label], other: tuple[str, Label], out: str) -> Label:
    """The label of a matrix product, or of any einsum of two tensors.

    Args:
        ground: The atoms.
        one: A letter for every dimension of a tensor, and its label.
        other: The same of another tensor.
        out: The letters of the result.

    Returns:
        The label.
    """
    letters = list(dict.fromkeys(one[0] + other[0]))
    spread = []
    for written, label in (one, other):
        axes = dict(zip(written, label.dims, strict=True))
        spread.append(label.with_dims([axes.get(letter, ()) for letter in letters]))
    found = broadcast(ground, *spread)
    found = reduced(ground, found, [at for at, letter in enumerate(letters) if letter not in out])
    left = dict(zip([letter for letter in letters if letter in out], found.dims, strict=True))
    return found.with_dims([left[letter] for letter in out])


def divided(ground: Ground, label: Label, dim: int, inner: int) -> tuple[Label, list[Axis], list[Axis]]:
    """Splits the axes of a dimension into axes of groups and axes within a group.

    Args:
        ground: The atoms.
        label: A label.
        dim: The number of the dimension.
        inner: The size of a group.

    Returns:
        The label, the outer and the inner axes.
    """
    try:
        label, axes = cut(label, label.dims[dim], [inner])
    except UnalignedError:
        label = pin_dim(ground, label, dim)
        label, axes = cut(label, label.dims[dim], [inner])
    product, at = 1, len(axes)
    while product < inner:
        at -= 1
        product *= axes[at].size
    return label, axes[:at], axes[at:]
