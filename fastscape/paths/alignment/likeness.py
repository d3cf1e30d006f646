"""Measures how similar the units of two networks are, by their weights or by their activations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fastscape.paths.alignment.ground import Atoms
from fastscape.paths.alignment.symmetry import Cell, Symmetry

__all__ = ["ActivationLikeness", "Likeness", "Table", "WeightLikeness", "permuted"]

Floats = npt.NDArray[np.float64]


class Table(Protocol):
    """Products of the weights at places of one axis."""

    atoms: Atoms
    """The atom of each place."""

    def products(self, places: Atoms, others: Atoms) -> Floats:
        """The likeness of places of the two networks.

        Args:
            places: Places of the first network [n, k]; the k places in a row belong together.
            others: Places of the second network [m, k].

        Returns:
            Sums of products [n, m].
        """
        ...


class Likeness(Protocol):
    """The likeness of two networks, as a function of the order of units in the second."""

    def order(self, images: Atoms, cell: Cell | None = None) -> None:
        """Changes the order of the units in the second network.

        Args:
            images: Where each atom goes.
            cell: The only cell whose order has changed. Default: any may have changed.
        """
        ...

    def total(self) -> float:
        """The total likeness."""
        ...

    def tables(self, cell: Cell) -> Sequence[Table]:
        """The tables that contain atoms of a cell."""
        ...


def permuted(tensor: Tensor, indices: Sequence[Atoms | None]) -> Tensor:
    """A tensor with permuted places.

    Args:
        tensor: The tensor.
        indices: For each axis the source of its places; None for an unchanged axis.

    Returns:
        A new tensor, or the same tensor if nothing moves.
    """
    for axis, index in enumerate(indices):
        if index is not None:
            tensor = tensor.index_select(axis, torch.from_numpy(index).to(tensor.device))
    return tensor


class _Weight:
    """One axis of a tensor in both networks."""

    def __init__(self, atoms: Atoms, one: Tensor, other: Tensor) -> None:
        self.atoms, self._one, self._other = atoms, one, other

    def products(self, places: Atoms, others: Atoms) -> Floats:
        one = self._one[torch.from_numpy(places)].reshape(len(places), -1)
        other = self._other[torch.from_numpy(others)].reshape(len(others), -1)
        found: Floats = (one @ other.T).numpy()
        return found


class WeightLikeness:
    """The inner product of the weights of two networks: the larger it is, the smaller their distance.

    Args:
        symmetry: The symmetry of both networks.
        one: The weights of the first network, by name, float64 on the CPU.
        other: The weights of the second network.
    """

    def __init__(self, symmetry: Symmetry, one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
        self._symmetry, self._one, self._given = symmetry, one, other
        self._other = dict(other)
        self._products: dict[str, float] = {}
        self._known: dict[Cell, list[tuple[str, int]]] = {}

    def order(self, images: Atoms, cell: Cell | None = None) -> None:
        """See `Likeness`."""
        names = [*self._one] if cell is None else dict.fromkeys(name for name, _ in self._standing(cell))
        for name, indices in self._symmetry.indices(images, names).items():
            self._other[name] = permuted(self._given[name], indices)
            self._products[name] = float((self._one[name] * self._other[name]).sum())

    def total(self) -> float:
        """See `Likeness`."""
        return sum(self._products.values())

    def _standing(self, cell: Cell) -> list[tuple[str, int]]:
        """The axes that contain atoms of a cell."""
        if cell not in self._known:
            inside = np.zeros(self._symmetry.count, dtype=bool)
            inside[cell.rows] = True
            self._known[cell] = [
                (name, axis)
                for name, axes in self._symmetry.axes.items()
                for axis, atoms in enumerate(axes)
                if name in self._one and atoms is not None and inside[atoms].any()
            ]
        return self._known[cell]

    def tables(self, cell: Cell) -> list[_Weight]:
        """See `Likeness`."""
        found = []
        for name, axis in self._standing(cell):
            atoms = self._symmetry.axes[name][axis]
            assert atoms is not None
            found.append(_Weight(atoms, self._one[name].movedim(axis, 0), self._other[name].movedim(axis, 0)))
        return found


class _Answers:
    """Correlations of the units along one axis."""

    def __init__(self, atoms: Atoms, correlations: Floats) -> None:
        self.atoms, self._correlations = atoms, correlations

    def products(self, places: Atoms, others: Atoms) -> Floats:
        pairs = zip(places.T, others.T, strict=True)
        return np.sum([self._correlations[np.ix_(one, other)] for one, other in pairs], axis=0)


class ActivationLikeness:
    """The correlations of the activations of two networks on the same samples.

    Args:
        symmetry: The symmetry of both networks.
        correlations: Atoms [n], and the correlations of the places of the first network with the places of the second
            [n, n].
    """

    def __init__(self, symmetry: Symmetry, correlations: Sequence[tuple[Atoms, Floats]]) -> None:
        self._symmetry, self._given = symmetry, correlations
        self._now = [table for _, table in correlations]
        self._places = Symmetry(symmetry.count, (), {str(at): [own] for at, (own, _) in enumerate(correlations)})

    def order(self, images: Atoms, cell: Cell | None = None) -> None:
        """See `Likeness`."""
        names = None if cell is None else [str(at) for at in self._standing(cell)]
        for name, (index,) in self._places.indices(images, names).items():
            table = self._given[int(name)][1]
            self._now[int(name)] = table if index is None else table[:, index]

    def total(self) -> float:
        """See `Likeness`."""
        return float(sum(np.trace(table) for table in self._now))

    def tables(self, cell: Cell) -> list[_Answers]:
        """See `Likeness`."""
        return [_Answers(self._given[at][0], self._now[at]) for at in self._standing(cell)]

    def _standing(self, cell: Cell) -> list[int]:
        """The numbers of the tables that contain atoms of a cell."""
        inside = np.zeros(self._symmetry.count, dtype=bool)
        inside[cell.rows] = True
        return [at for at, (atoms, _) in enumerate(self._given) if inside[atoms].any()]
