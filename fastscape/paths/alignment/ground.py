"""Atoms: the units of hidden axes, with equal atoms merged, and the blocks that they belong to.

An axis of a tensor has one atom per place. If a network adds two tensors, their atoms are equal. If it sums over some
axes, the remaining places are blocks of atoms: a head is a block of the products of its queries and keys. A
permutation of atoms is a symmetry of the network if it preserves sets (of every axis), marks of distinct places, and
blocks.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["Atoms", "Ground"]

Atoms = npt.NDArray[np.int64]


class Ground:
    """All atoms of a network, and their relations.

    Attributes:
        unions: Number of pairs of atoms that were found equal.
        blocks: The members of each atom that is a block, one array per occurrence.
        marks: Pairs of atoms and tokens: a symmetry maps an atom to one with the same tokens.
    """

    def __init__(self) -> None:
        self._parent: Atoms = np.empty(0, dtype=np.int64)
        self._size = 0
        self._tokens = 0
        self._known: dict[bytes, int] = {}
        self.unions = 0
        self.blocks: dict[int, list[Atoms]] = {}
        self.marks: list[tuple[Atoms, Atoms]] = []

    def __len__(self) -> int:
        return self._size

    def fresh(self, shape: Iterable[int]) -> Atoms:
        """Makes new atoms, which form a set.

        Args:
            shape: The shape of the array of atoms.

        Returns:
            The atoms.
        """
        shape = tuple(shape)
        count = int(np.prod(shape, dtype=np.int64))
        if self._size + count > len(self._parent):
            room = np.arange(max(2 * len(self._parent), self._size + count, 1024), dtype=np.int64)
            room[: self._size] = self._parent[: self._size]
            self._parent = room
        made = np.arange(self._size, self._size + count, dtype=np.int64).reshape(shape)
        self._size += count
        self.together(made)
        return made

    def find(self, atoms: Atoms) -> Atoms:
        """The representative of each atom among its equal atoms.

        Args:
            atoms: Atoms.

        Returns:
            The representatives.
        """
        found = self._parent[atoms]
        while True:
            above = self._parent[found]
            if (above == found).all():
                break
            found = above
        self._parent[atoms] = found
        return found

    def unite(self, one: Atoms, other: Atoms) -> None:
        """Makes atoms equal, pair by pair.

        Args:
            one: Atoms.
            other: As many.
        """
        one, other = self.find(one.ravel()), self.find(other.ravel())
        odd = one != other
        for a, b in zip(one[odd].tolist(), other[odd].tolist(), strict=True):
            low, high = self._root(a), self._root(b)
            if low != high:
                low, high = min(low, high), max(low, high)
                self._parent[high] = low
                self.unions += 1
                if high in self.blocks:
                    self.blocks.setdefault(low, []).extend(self.blocks.pop(high))

    def together(self, atoms: Atoms) -> None:
        """Declares that atoms are a set, which every symmetry maps to itself.

        Args:
            atoms: The atoms.
        """
        flat = atoms.ravel()
        self.marks.append((flat, np.full(len(flat), self._tokens, dtype=np.int64)))
        self._tokens += 1

    def apart(self, atoms: Atoms, places: Atoms) -> None:
        """Declares that atoms at different places are distinct.

        Args:
            atoms: The atoms.
            places: The number of the place of each, from 0.
        """
        self.marks.append((atoms.ravel(), places.ravel() + self._tokens))
        self._tokens += int(places.max()) + 1 if places.size else 0

    def pinned(self, atoms: Atoms) -> None:
        """Fixes every one of some atoms.

        Args:
            atoms: The atoms.
        """
        self.apart(atoms, np.arange(atoms.size, dtype=np.int64))

    def block(self, members: Atoms) -> int:
        """The atom of a block.

        Args:
            members: The members of the block.

        Returns:
            The same atom for the same members; a single member is its own block.
        """
        members = np.unique(self.find(members))
        if len(members) == 1:
            return int(members[0])
        key = members.tobytes()
        if key not in self._known:
            (atom,) = self.fresh((1,)).tolist()
            self.marks.pop()  # it is in no set: its members determine its possible images
            self._known[key] = atom
        atom = self._root(self._known[key])
        held = self.blocks.setdefault(atom, [])
        if not any(np.array_equal(members, other) for other in held):
            held.append(members)
        return atom

    def _root(self, atom: int) -> int:
        while (above := int(self._parent[atom])) != atom:
            atom = above
        return atom
