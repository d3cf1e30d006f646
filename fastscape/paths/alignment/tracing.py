"""Follows one evaluation of a network, operation by operation, to learn which axes are permuted together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from fastscape.paths.alignment import rules_of_shapes, rules_of_sums, rules_of_values
from fastscape.paths.alignment.ground import Atoms, Ground
from fastscape.paths.alignment.labels import Axis, Bundle, Label, fixed, flat, pin
from fastscape.paths.alignment.operations import Operation
from fastscape.paths.alignment.wide import Wide, tensors_in

__all__ = ["Seen", "Tracing", "counts", "name_of_operation"]

_NEW = {
    f"{kind}{name}{like}" for name in ("zeros", "ones", "full", "empty", "rand", "randn") for kind, like in
    (("new_", ""), ("", "_like"))
} | {"randint_like", "new_empty_strided"}  # fmt: skip
"""Operations that use only the size of a tensor."""

RULES = {**rules_of_values.RULES, **rules_of_sums.RULES, **rules_of_shapes.RULES}


class Seen(NamedTuple):
    """A tensor that an elementwise operation made from a tensor that may be permuted.

    Args:
        number: The number of the operation in `Tracing.names`.
        axes: The sizes of its dimensions and of their parts.
        bundles: The numbers of the axes of each bundle, and its atoms.
    """

    number: int
    axes: tuple[int, ...]
    bundles: tuple[tuple[tuple[int, ...], Atoms], ...]


class Tracing(Wide):
    """Watches an evaluation.

    Args:
        ground: The atoms.
        weights: The tensors that may be permuted, by name.
        samples: The tensors of the batch.
    """

    def __init__(self, ground: Ground, weights: Mapping[str, Tensor], samples: Iterable[Tensor]) -> None:
        super().__init__()
        self.ground = ground
        self.not_understood: Counter[str] = Counter()
        self.seen: list[Seen] = []
        self.names: list[str] = []
        self._kept: dict[int, tuple[Tensor, Label, int]] = {}
        self._written: dict[int, list[Label | None]] = {}
        self._read: set[int] = set()
        for tensor in samples:
            self._keep(tensor, fixed(tensor.shape))
        self.axes: dict[str, list[Atoms | None]] = {}
        self._weights = dict(weights)
        for name, tensor in weights.items():
            atoms = [ground.fresh((size,)) if size != 1 else None for size in tensor.shape]
            label = fixed(tensor.shape)
            bundles = [Bundle(axes, own) for axes, own in zip(label.dims, atoms, strict=True) if own is not None]
            self._keep(tensor, Label(label.dims, tuple(bundles)))
            self.axes[name] = atoms

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        labels = {id(tensor): self._label(tensor) for tensor in given}
        written = [tensor for tensor in _written_to(func, args, kwargs) if isinstance(tensor, Tensor)]
        made = self.computed(func, args, kwargs)
        counted = counts(func)
        if counted:
            self.names.append(name_of_operation(func))
        results = [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
        found = self._labels_of(func, args, kwargs, results, labels)
        for tensor, label in zip(results, found, strict=True):
            self._keep(tensor, label)
        if torch.Tag.inplace_view not in func.tags:
            for tensor in written:
                self._note_writing(tensor, labels[id(tensor)])
        if counted and len(results) == 1 and found[0].bundles and _shows_units(func, len(given)):
            self._note(found[0])
        return made

    def outputs(self, value: Any) -> None:
        """Fixes the outputs of the model.

        Args:
            value: The outputs.
        """
        for tensor in tensors_in(value):
            kept = self._kept.get(id(tensor))
            if kept is not None:
                self._keep(tensor, pin(self.ground, kept[1]))

    def finish(self) -> list[str]:
        """Fixes weights that no operation has read, because nothing is known of them.

        Returns:
            Their names.
        """
        unread = [name for name, tensor in self._weights.items() if id(tensor) not in self._read]
        for name in unread:
            for atoms in self.axes[name]:
                if atoms is not None:
                    self.ground.pinned(atoms)
        return unread

    def seen_by(self, ground: Ground) -> Iterable[Seen]:
        """The activations of the units, with their final atoms.

        Args:
            ground: The atoms.

        Yields:
            One entry per operation with activations.
        """
        for number, axes, bundles in self.seen:
            yield Seen(number, axes, tuple((own, ground.find(atoms.copy())) for own, atoms in bundles))

    def _labels_of(
        self, func: Any, args: Any, kwargs: Any, results: list[Tensor], labels: Mapping[int, Label]
    ) -> list[Label]:
        """The label of each result."""
        name = name_of_operation(func)
        if name in _NEW or all(label.constant for label in labels.values()):
            return [constant(tensor) for tensor in results]
        where = dict(labels)

        def lost() -> None:
            self.not_understood[name] += 1

        def label_of(tensor: Tensor) -> Label:
            return where[id(tensor)]

        op = Operation(name, tuple(args), kwargs, results, self.ground, label_of, lost)
        rule = RULES.get(name)
        if rule is None and (torch.Tag.pointwise in func.tags or name in rules_of_values.POINTWISE):
            rule = rules_of_values.pointwise
        try:
            made = None if rule is None or not results else rule(op)
            found = [made] if isinstance(made, Label) else made
            if found is not None and [a.shape for a in found] == [tuple(tensor.shape) for tensor in results]:
                return found
        except Exception:  # unexpected by the rule: as without a rule, units stay and the operation is named
            found = None
        if any(label.bundles for label in labels.values()):
            lost()
        for label in labels.values():
            pin(self.ground, label)
        return [fixed(tensor.shape) for tensor in results]

    def _label(self, tensor: Tensor) -> Label:
        """The label of a tensor."""
        kept = self._kept.get(id(tensor))
        if kept is None:
            label = constant(tensor)
            self._keep(tensor, label)
            return label
        self._read.add(id(tensor))
        _, label, version = kept
        writings = self._written.get(_memory(tensor), [])
        if version < len(writings):  # a part of it, or a tensor of which it is a part, was written to since
            label = self._after_writing(tensor, label, writings)
            self._keep(tensor, label)
        return label

    def _after_writing(self, tensor: Tensor, label: Label, writings: Sequence[Label | None]) -> Label:
        """The label of a tensor whose memory was written to through a different tensor."""
        others = [other for other in writings if other is not None]
        if label.constant and len(others) == len(writings) and all(other.constant for other in others):
            return constant(tensor)
        if not others:
            return replace(label, free=frozenset(), constant=False)
        if any(other.bundles for other in (label, *others)):
            self.not_understood["writing to a part of a tensor"] += 1
        for other in (label, *others):
            pin(self.ground, other)
        return fixed(tensor.shape)

    def _keep(self, tensor: Tensor, label: Label) -> None:
        version = len(self._written.get(_memory(tensor), []))
        self._kept[id(tensor)] = tensor, label, version

    def _note_writing(self, tensor: Tensor, before: Label) -> None:
        """Marks other views of this memory if its label changes.

        If units are unchanged, the labels of other views stay valid, except for free axes.
        """
        _, label, _ = self._kept.get(id(tensor), (tensor, fixed(tensor.shape), 0))
        then, now = (self._form(one) for one in (before, label))
        if then != now:
            same = then[0] == now[0] and not label.constant
            self._written.setdefault(_memory(tensor), []).append(None if same else label)
            self._keep(tensor, label)

    def _form(self, label: Label) -> Any:
        """A key of a label: labels with the same content have equal keys."""
        axes = {axis: number for number, axis in enumerate(flat(label.dims))}
        bundles = [
            (tuple(axes[axis] for axis in bundle.axes), self.ground.find(bundle.atoms.ravel()).tobytes())
            for bundle in label.bundles
        ]
        sizes = [axis.size for axis in flat(label.dims)]
        free = sorted(axes[axis] for axis in label.free if axis in axes)
        return (sorted(bundles), sizes if bundles else None), (free, sizes if free else None, label.constant)

    def _note(self, label: Label) -> None:
        axes = flat(label.dims)
        where = {axis: number for number, axis in enumerate(axes)}
        bundles = tuple((tuple(where[axis] for axis in b.axes), b.atoms) for b in label.bundles)
        self.seen.append(Seen(len(self.names) - 1, tuple(axis.size for axis in axes), bundles))


def constant(tensor: Tensor) -> Label:
    """The label of a tensor that depends neither on samples nor on weights: axes without variation are free."""
    label = fixed(tensor.shape, constant=True)
    free: set[Axis] = set()
    if tensor.numel() and not tensor.is_meta:
        for dim, axes in enumerate(label.dims):
            if axes and bool((tensor == tensor.narrow(dim, 0, 1)).all()):
                free.update(axes)
    return Label(label.dims, (), frozenset(free), constant=True)


def counts(func: Any) -> bool:
    """Whether an operation counts when two evaluations are compared: `detach` may be missing in one of them."""
    return name_of_operation(func) != "detach"


def name_of_operation(func: Any) -> str:
    """The name of an operation; in-place operations have the name of the plain operation."""
    return str(func._schema.name).partition("::")[2].rstrip("_")


def _shows_units(func: Any, given: int) -> bool:
    """Whether the result of an operation is an activation of units: of a nonlinearity, or a product."""
    name = name_of_operation(func)
    if name in ("mm", "addmm", "bmm", "convolution"):
        return True
    return given == 1 and name != "clone" and (torch.Tag.pointwise in func.tags or name in rules_of_values.POINTWISE)


def _written_to(func: Any, args: Any, kwargs: Any) -> Iterable[Any]:
    for at, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield args[at] if at < len(args) else kwargs.get(argument.name)


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
