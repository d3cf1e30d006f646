"""Labels of tensors: the axes that may be permuted, and the atoms of their places.

A dimension is a product of axes, so views only regroup axes: for `h * d` features the axes are heads and places
within a head. An axis is `bundled`, alone or with other axes, with an array of atoms; or `free`, because all values
along it are the same; or fixed, for example the samples.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from fastscape.paths.alignment.ground import Atoms, Ground

__all__ = [
    "Axis",
    "Bundle",
    "Label",
    "UnalignedError",
    "common",
    "cut",
    "fixed",
    "flat",
    "overlapping",
    "pin",
    "size_of",
    "trailing",
]


class UnalignedError(Exception):
    """Raised if two divisions of a dimension into axes have no common refinement."""


class Axis:
    """One axis, compared by identity.

    Args:
        size: Its length.
    """

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


@dataclass(frozen=True, eq=False)
class Bundle:
    """Axes that are permuted together.

    Args:
        axes: The axes.
        atoms: The atom of each place [sizes of the axes].
    """

    axes: tuple[Axis, ...]
    atoms: Atoms

    def renamed(self, names: Mapping[Axis, Axis]) -> Bundle:
        """The same with some axes replaced."""
        return Bundle(tuple(names.get(axis, axis) for axis in self.axes), self.atoms)


@dataclass(frozen=True, eq=False)
class Label:
    """The label of a tensor.

    Args:
        dims: The axes of each dimension; none for a dimension of size 1.
        bundles: The bundles, which may be permuted.
        free: Axes along which all values are the same.
        constant: Whether the tensor depends neither on samples nor on weights.
    """

    dims: tuple[tuple[Axis, ...], ...]
    bundles: tuple[Bundle, ...] = ()
    free: frozenset[Axis] = frozenset()
    constant: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the tensor."""
        return tuple(map(size_of, self.dims))

    @property
    def bundled(self) -> set[Axis]:
        """The axes that may be permuted."""
        return {axis for bundle in self.bundles for axis in bundle.axes}

    def touched(self, axes: Collection[Axis]) -> list[Bundle]:
        """The bundles that contain any of some axes."""
        return [bundle for bundle in self.bundles if any(axis in axes for axis in bundle.axes)]

    def split(self, axis: Axis, sizes: Sequence[int]) -> Label:
        """The same with one axis split into several.

        Args:
            axis: The axis.
            sizes: The sizes of the new axes, from the slowest to the fastest.

        Returns:
            The label.
        """
        made = tuple(map(Axis, sizes))
        dims = tuple(
            tuple(new for old in dim for new in (made if old is axis else (old,))) if axis in dim else dim
            for dim in self.dims
        )
        bundles = []
        for bundle in self.bundles:
            if axis in bundle.axes:
                at = bundle.axes.index(axis)
                shape = bundle.atoms.shape[:at] + tuple(sizes) + bundle.atoms.shape[at + 1 :]
                bundle = Bundle(bundle.axes[:at] + made + bundle.axes[at + 1 :], bundle.atoms.reshape(shape))
            bundles.append(bundle)
        free = self.free - {axis} | set(made) if axis in self.free else self.free
        return replace(self, dims=dims, bundles=tuple(bundles), free=free)

    def renamed(self, names: Mapping[Axis, Axis]) -> Label:
        """The same with some axes replaced."""
        return replace(
            self,
            dims=tuple(tuple(names.get(axis, axis) for axis in dim) for dim in self.dims),
            bundles=tuple(bundle.renamed(names) for bundle in self.bundles),
            free=frozenset(names.get(axis, axis) for axis in self.free),
        )

    def anew(self) -> Label:
        """The same with new axes."""
        return self.renamed({axis: Axis(axis.size) for axis in flat(self.dims)})

    def with_dims(self, dims: Iterable[Iterable[Axis]]) -> Label:
        """The same with its axes in other dimensions; omitted axes are dropped, if nothing moves along them."""
        made = tuple(map(tuple, dims))
        kept = set(flat(made))
        return replace(
            self,
            dims=made,
            bundles=tuple(bundle for bundle in self.bundles if kept.issuperset(bundle.axes)),
            free=self.free & kept,
        )


def size_of(dim: Iterable[Axis]) -> int:
    """The length of a dimension."""
    return math.prod(axis.size for axis in dim)


def flat(dims: Iterable[Iterable[Axis]]) -> list[Axis]:
    """All axes of several dimensions, in their order."""
    return [axis for dim in dims for axis in dim]


def fixed(shape: Iterable[int], *, constant: bool = False) -> Label:
    """The label of a tensor no axis of which can be permuted.

    Args:
        shape: The shape of the tensor.
        constant: Whether it depends on nothing. Default False.

    Returns:
        The label.
    """
    return Label(tuple((Axis(size),) if size != 1 else () for size in shape), constant=constant)


def trailing(axes: Iterable[Axis]) -> list[int]:
    """The products of sizes from the last axis on."""
    found, product = [], 1
    for axis in reversed(list(axes)):
        product *= axis.size
        found.append(product)
    return found


def cut(label: Label, axes: Sequence[Axis], wanted: Iterable[int]) -> tuple[Label, list[Axis]]:
    """Divides consecutive axes at the ends of other axes.

    Args:
        label: The label.
        axes: Axes of it, from the slowest to the fastest.
        wanted: Products of sizes, from the last axis on, at which an axis must end.

    Returns:
        The new label, and the axes after division.

    Raises:
        UnalignedError: When an axis cannot be divided in this way.
    """
    found: list[Axis] = []
    low = 1
    for axis in reversed(axes):
        high = low * axis.size
        ends = sorted({end for end in wanted if low < end < high})
        if ends:
            pieces, last = [], low
            for end in [*ends, high]:
                if end % last:
                    raise UnalignedError
                pieces.append(end // last)
                last = end
            before = label.dims
            label = label.split(axis, pieces[::-1])
            made = [new for old, new in zip(before, label.dims, strict=True) if axis in old]
            known = {id(a) for dim in before for a in dim}
            found[:0] = [a for a in made[0] if id(a) not in known]
        else:
            found.insert(0, axis)
        low = high
    return label, found


def common(one: Label, axes: Sequence[Axis], other: Label, others: Sequence[Axis]) -> tuple[Label, Label, list[Axis]]:
    """Divides a dimension of two tensors into the same axes.

    Args:
        one: A label.
        axes: The axes of the dimension.
        other: Another label.
        others: Axes of the same dimension.

    Returns:
        Both labels, and the axes, which both now have.

    Raises:
        UnalignedError: When this is impossible.
    """
    ends = set(trailing(axes)) | set(trailing(others))
    one, axes = cut(one, axes, ends)
    other, others = cut(other, others, ends)
    return one, other.renamed(dict(zip(others, axes, strict=True))), list(axes)


def pin(ground: Ground, label: Label) -> Label:
    """Fixes all places of a tensor.

    Args:
        ground: The atoms.
        label: Its label.

    Returns:
        Its new label.
    """
    for bundle in label.bundles:
        ground.pinned(bundle.atoms)
    return replace(label, bundles=())


def overlapping(bundles: Sequence[Bundle]) -> tuple[Bundle, Bundle] | None:
    """Two bundles that share an axis; None if there are none."""
    for one, other in combinations(bundles, 2):
        if set(one.axes) & set(other.axes):
            return one, other
    return None
