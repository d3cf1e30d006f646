"""Labels of slices and concatenations of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastscape.paths.alignment.ground import Atoms, Ground
from fastscape.paths.alignment.labels import (
    Axis,
    Bundle,
    Label,
    UnalignedError,
    common,
    flat,
    size_of,
)
from fastscape.paths.alignment.relations import broadcast_all, fix, onto, pin_dim

__all__ = ["joined", "taken"]


def taken(ground: Ground, label: Label, dim: int, places: Atoms) -> Label:
    """The label of some places of a dimension.

    Args:
        ground: The atoms.
        label: The label of the tensor.
        dim: The number of the dimension.
        places: The selected places in order, the same for all samples.

    Returns:
        The label.
    """
    count, whole = len(places), size_of(label.dims[dim])
    if count == whole and (places == np.arange(whole)).all():
        return label
    axes, touched = label.dims[dim], label.touched(label.dims[dim])
    if not touched:
        made = (Axis(count),) if count != 1 else ()
        free = label.free | set(made) if axes and set(axes) <= label.free else label.free
        shown = replace(label, free=free)
        return shown.with_dims(made if at == dim else old for at, old in enumerate(label.dims))
    lead, inner = axes[0], _lead(label, dim, places)
    if inner is None:
        return taken(ground, pin_dim(ground, label, dim), dim, places)
    some = places[:: size_of(inner)] // size_of(inner)
    new = () if len(some) == 1 else (Axis(len(some)),)
    bundles = []
    for bundle in label.bundles:
        if lead in bundle.axes:
            at = bundle.axes.index(lead)
            atoms = bundle.atoms.take(some, axis=at)
            ground.together(atoms)
            left = bundle.axes[:at] + new + bundle.axes[at + 1 :]
            bundle = Bundle(left, atoms if new else atoms.squeeze(at))
        if bundle.axes:
            bundles.append(bundle)
    dims = [(*new, *inner) if at == dim else old for at, old in enumerate(label.dims)]
    free = label.free | set(new) if lead in label.free else label.free
    return Label(tuple(dims), tuple(bundles), free & set(flat(dims)))


def _lead(label: Label, dim: int, places: Atoms) -> list[Axis] | None:
    """The axes inside the first axis of a dimension, if places are whole runs of them; None if they are not.

    Places along a single axis may be any.

    Returns:
        The axes, or None.
    """
    inner = list(label.dims[dim][1:])
    step = size_of(inner)
    if len(places) % step:
        return None
    parts = places.reshape(-1, step)
    whole = (parts == parts[:, :1] + np.arange(step)).all() and (parts[:, 0] % step == 0).all()
    return inner if whole else None


def _covered(ground: Ground, label: Label, axes: Sequence[Axis]) -> Atoms:
    """One array of atoms over exactly some axes; axes bundled with one of them are among them.

    Args:
        ground: The atoms.
        label: A label.
        axes: Axes of it.

    Returns:
        Atoms [sizes of the axes].
    """
    touched = label.touched(axes)
    if len(touched) == 1 and len(touched[0].axes) == len(axes):
        return onto(ground, touched[0], axes)
    made = Bundle(tuple(axes), ground.fresh(axis.size for axis in axes))
    for bundle in touched:
        ground.unite(onto(ground, made, bundle.axes), bundle.atoms)
    still = set(axes) - label.bundled - label.free
    fix(ground, Label((made.axes,), (made,)), still)
    return made.atoms


def joined(ground: Ground, labels: Sequence[Label], dim: int) -> Label:
    """The label of a concatenation.

    Args:
        ground: The atoms.
        labels: The labels of the tensors.
        dim: The dimension of the concatenation.

    Returns:
        The label.
    """
    labels = [label.anew() for label in labels]
    for at in range(1, len(labels)):
        labels[at], labels[0] = _alike(ground, labels[at], labels[0], dim)
    for at in range(1, len(labels) - 1):  # later tensors may have divided axes of the first
        labels[at], _ = _alike(ground, labels[at], labels[0], dim)
    beside = _beside(labels, dim, [] if any(label.dims[dim] for label in labels) else _other_atoms(ground, labels))
    length = sum(size_of(label.dims[dim]) for label in labels)
    new = (Axis(length),) if length != 1 else ()
    if beside or any(label.touched(label.dims[dim]) for label in labels):
        pieces = []
        for label in labels:
            own = list(label.dims[dim])
            atoms = _covered(ground, label, [*beside, *own]) if own or beside else ground.fresh(())
            atoms = atoms.reshape(*(axis.size for axis in beside), -1)
            ground.together(atoms)
            pieces.append(atoms)
        made = [Bundle((*beside, *new), np.concatenate(pieces, axis=-1))]
    else:
        made = []
    rest = []
    for label in labels:
        gone = {*beside, *label.dims[dim]}
        kept = [() if at == dim else axes for at, axes in enumerate(label.dims)]
        others = tuple(bundle for bundle in label.bundles if not gone.intersection(bundle.axes))
        rest.append(replace(label, dims=tuple(kept), bundles=others, free=label.free - gone))
    found = broadcast_all(ground, rest)
    dims = tuple(new if at == dim else axes for at, axes in enumerate(found.dims))
    return Label(dims, (*found.bundles, *made), found.free - set(beside))


def _alike(ground: Ground, label: Label, first: Label, dim: int) -> tuple[Label, Label]:
    """Gives two labels the same axes in all dimensions but one."""
    for at in range(len(label.dims)):
        if at != dim and label.dims[at] and label.dims[at] != first.dims[at]:
            try:
                first, label, _ = common(first, first.dims[at], label, label.dims[at])
            except UnalignedError:
                first, label = pin_dim(ground, first, at), pin_dim(ground, label, at)
                first, label, _ = common(first, first.dims[at], label, label.dims[at])
    return label, first


def _other_atoms(ground: Ground, labels: Sequence[Label]) -> list[Axis]:
    """The axes on which tensors have atoms different from the first tensor: when stacked, each keeps its own."""
    forms = [{b.axes: ground.find(b.atoms.copy()).tobytes() for b in label.bundles} for label in labels]
    return [
        axis
        for form in forms
        for axes, atoms in form.items()
        if any(f.get(axes) != atoms for f in forms)
        for axis in axes
    ]


def _beside(labels: Sequence[Label], dim: int, first: Sequence[Axis]) -> list[Axis]:
    """The axes of other dimensions that are bundled with the dimension of the concatenation."""
    found: dict[Axis, None] = dict.fromkeys(first)
    while True:
        before = len(found)
        for label in labels:
            own = set(label.dims[dim])
            for bundle in label.touched({*own, *found}):
                found |= {axis: None for axis in bundle.axes if axis not in own}
        if len(found) == before:
            return list(found)
