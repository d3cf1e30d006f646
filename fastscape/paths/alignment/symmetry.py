"""The symmetries of a network: the atoms that may be permuted, and the effect of a permutation on the weights."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fastscape.paths.alignment.ground import Atoms, Ground

__all__ = ["Cell", "NoSymmetryError", "Symmetry", "symmetry_of"]


class NoSymmetryError(Exception):
    """A permutation of atoms that does not permute the places of an axis."""


@dataclass(frozen=True, eq=False)
class Cell:
    """Atoms that may be permuted freely, each with its belongings.

    Args:
        rows: The atoms [n], each followed by its belongings in corresponding order [n, 1 + belonging].
        inner: For each cell inside the belongings of an atom, the columns of its rows [its atoms, 1 + belonging].
        depth: Number of atoms that these atoms belong to.
    """

    rows: Atoms
    inner: tuple[Atoms, ...] = ()
    depth: int = 0

    @property
    def size(self) -> int:
        """Number of atoms that may be permuted."""
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Symmetry:
    """All permutations of the units of a network that leave its outputs unchanged.

    Args:
        count: Number of atoms; equal atoms have one number.
        cells: The cells, the largest structures first.
        axes: The atoms along each axis of each tensor; None for axes of length 1.
    """

    count: int
    cells: tuple[Cell, ...]
    axes: Mapping[str, Sequence[Atoms | None]]

    def identity(self) -> Atoms:
        """The identity permutation."""
        return np.arange(self.count, dtype=np.int64)

    def random(self, generator: np.random.Generator) -> Atoms:
        """A random permutation, as the new position of each atom."""
        found = self.identity()
        for cell in self.cells:
            found = self.moved(cell, generator.permutation(cell.size))[found]
        return found

    def moved(self, cell: Cell, order: Atoms) -> Atoms:
        """The permutation of all atoms for a new order of a cell.

        Args:
            cell: The cell.
            order: The number of the row to which each row goes.

        Returns:
            Atoms [count].
        """
        found = self.identity()
        found[cell.rows] = cell.rows[order]
        return found

    def indices(self, images: Atoms, names: Iterable[str] | None = None) -> dict[str, list[Atoms | None]]:
        """The effect of a permutation on weights.

        Args:
            images: Where each atom goes [count].
            names: The names of the tensors. Default: all.

        Returns:
            For each axis of each tensor, the source of each place; None for an unchanged axis.
        """
        before = np.argsort(images)
        return {
            name: [None if atoms is None else _places(atoms, before) for atoms in self.axes[name]]
            for name in (self.axes if names is None else names)
        }

    def without(self, cells: Sequence[Cell]) -> Symmetry:
        """The same symmetry without some cells, which are fixed."""
        return replace(self, cells=tuple(cell for cell in self.cells if cell not in cells))


def _places(atoms: Atoms, before: Atoms) -> Atoms | None:
    """The source of each place of an axis; if an atom has several places, they keep their order."""
    order = np.argsort(atoms, kind="stable")
    standing = atoms[order]
    number = np.empty(len(atoms), dtype=np.int64)
    number[order] = np.arange(len(atoms)) - np.searchsorted(standing, standing)
    wanted = before[atoms]
    at = np.searchsorted(standing, wanted) + number
    if not (standing[np.minimum(at, len(at) - 1)] == wanted).all():
        raise NoSymmetryError
    found = order[at]
    return None if (found == np.arange(len(found))).all() else found


def symmetry_of(ground: Ground, axes: Mapping[str, Sequence[Atoms | None]]) -> Symmetry:
    """Finds the symmetries of a traced network.

    Args:
        ground: The atoms and their relations.
        axes: The atoms along each axis of each of its tensors.

    Returns:
        The symmetries.
    """
    order = _Order(ground)
    standing = {
        name: [None if atoms is None else ground.find(atoms.copy()) for atoms in own] for name, own in axes.items()
    }
    used = np.zeros(len(ground), dtype=bool)
    for own in standing.values():
        for atoms in own:
            if atoms is not None:
                used[atoms] = True
    cells = [cell for cell in order.cells() if used[cell.rows].any()]
    return Symmetry(len(ground), tuple(sorted(cells, key=lambda cell: cell.depth)), standing)


class _Order:
    """The belongings of atoms, and their colours.

    Args:
        ground: The atoms.
    """

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        while True:
            _close(ground)
            self.base = _bases(ground)
            if not _united_by_base(ground, self.base):
                break
        self.above = _above(self.base)
        self.below: dict[int, list[int]] = defaultdict(list)
        for atom, parents in self.above.items():
            for parent in parents:
                self.below[parent].append(atom)
        self.roots = np.unique(ground.find(np.arange(len(ground), dtype=np.int64)))
        self.colours = self._colours()

    def _colours(self) -> dict[int, int]:
        """A colour number per atom: atoms with different numbers cannot be exchanged."""
        generator = np.random.default_rng(0)
        total = np.zeros(len(self.ground), dtype=np.uint64)
        if self.ground.marks:
            atoms = self.ground.find(np.concatenate([atoms for atoms, _ in self.ground.marks]))
            tokens = np.concatenate([tokens for _, tokens in self.ground.marks])
            codes = generator.integers(1, 2**63, size=int(tokens.max(initial=0)) + 1, dtype=np.uint64)
            np.add.at(total, atoms, codes[tokens])
        colours = {int(atom): int(total[atom]) for atom in self.roots}
        classes = -1
        while (now := len({colours[atom] for atom in self.above})) != classes:
            classes = now
            colours |= {
                atom: hash(
                    (
                        colours[atom],
                        tuple(sorted(colours[parent] for parent in parents)),
                        tuple(sorted(colours[child] for child in self.below.get(atom, []))),
                    )
                )
                for atom, parents in self.above.items()
            }
        return colours

    def cells(self) -> Iterator[Cell]:
        """All cells."""
        siblings: dict[tuple[bool, tuple[int, ...], int], list[int]] = defaultdict(list)
        for atom in self.roots.tolist():
            parents = tuple(sorted(self.above.get(atom, ())))
            siblings[atom in self.above, parents, self.colours[atom]].append(atom)
        free = [(parents, atoms) for (_, parents, _), atoms in siblings.items() if len(atoms) > 1]
        inside = defaultdict(list)
        for parents, atoms in free:
            for parent in parents:
                inside[parent].append(atoms)
        for parents, atoms in free:
            rows = self._rows(atoms)
            if rows is None:
                continue
            column = {int(atom): at for at, atom in enumerate(rows[0])}
            inner = [self._rows(other) for other in inside[atoms[0]]]
            columns = tuple(np.vectorize(column.__getitem__)(part) for part in inner if part is not None)
            yield Cell(rows, columns, len(parents))

    def _rows(self, atoms: Sequence[int]) -> Atoms | None:
        """The atoms with their belongings in corresponding order; None if they differ in structure."""
        rows = [self._row(atom) for atom in atoms]
        if any(len(row) != len(rows[0]) for row in rows):
            return None
        if len(rows[0]) > 1:
            for row in rows[1:]:
                image = dict(zip(rows[0], row, strict=True))
                for one, other in image.items():
                    alike = self.colours[one] == self.colours[other]
                    parents = {image.get(parent, parent) for parent in self.above.get(one, ())}
                    if not alike or parents != set(self.above.get(other, ())):
                        return None
        return np.array(rows, dtype=np.int64)

    def _row(self, atom: int) -> list[int]:
        """An atom and its belongings, larger blocks first, in an order shared by similar atoms."""
        below = self.below.get(atom)
        if not below:
            return [atom]
        rank = {atom: 0}
        sizes: dict[int, list[int]] = defaultdict(list)
        for other in below:
            sizes[len(self.base[other])].append(other)
        for size in sorted(sizes, reverse=True):

            def key(other: int) -> tuple[int, list[int], list[int], int]:
                parents = self.above[other]
                inside = sorted(rank[parent] for parent in parents if parent in rank)
                return self.colours[other], sorted(p for p in parents if p not in rank), inside, other

            for other in sorted(sizes[size], key=key):
                rank[other] = len(rank)
        return list(rank)


def _close(ground: Ground) -> None:
    """Blocks of the same members are the same; a block of one member is that member."""
    while True:
        known: dict[bytes, int] = {}
        before = ground.unions
        for atom in list(ground.blocks):
            for members in list(ground.blocks.get(atom, [])):
                now = np.unique(ground.find(members))
                one = np.array([now[0] if len(now) == 1 else known.setdefault(now.tobytes(), atom)])
                ground.unite(np.array([atom]), one)
        if ground.unions == before:
            return


def _bases(ground: Ground) -> dict[int, frozenset[int]]:
    """The bottom atoms of each atom that is a block or in a block."""
    children: dict[int, set[int]] = {}
    for atom, held in ground.blocks.items():
        found = set(np.unique(ground.find(np.concatenate(held))).tolist()) if held else set()
        if found - {atom}:
            children[atom] = found - {atom}
    found_for: dict[int, frozenset[int]] = {}
    for atom in {*children, *(child for own in children.values() for child in own)}:
        if atom not in children:
            found_for[atom] = frozenset([atom])
    for atom in children:
        bottom, seen, waiting = set(), {atom}, [atom]
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in seen:
                    seen.add(child)
                    if child in children:
                        waiting.append(child)
                    else:
                        bottom.add(child)
        found_for[atom] = frozenset(bottom)
    return found_for


def _united_by_base(ground: Ground, base: Mapping[int, frozenset[int]]) -> bool:
    """Merges blocks with the same bottom atoms, and returns whether there were any."""
    known: dict[frozenset[int], int] = {}
    before = ground.unions
    for atom, own in base.items():
        if own:
            ground.unite(np.array([atom]), np.array([known.setdefault(own, atom)]))
    return ground.unions > before


def _above(base: Mapping[int, frozenset[int]]) -> dict[int, frozenset[int]]:
    """For each atom, the blocks that it belongs to, directly or not."""
    containing: dict[int, set[int]] = defaultdict(set)
    for atom, own in base.items():
        for bottom in own:
            containing[bottom].add(atom)
    found = {}
    for atom, own in base.items():
        shared = set.intersection(*(containing[bottom] for bottom in own)) if own else set()
        found[atom] = frozenset(other for other in shared - {atom} if len(base[other]) > len(own))
    return found
