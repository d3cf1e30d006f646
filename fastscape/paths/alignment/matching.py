"""Finds the permutation that makes two networks most similar, by one assignment after the other until none improves.

Source: Ainsworth et al. 2023, Git Re-Basin, arXiv 2209.04836, section 3.2, for units of plain layers. Heads are
matched by the best assignments within every pair of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastscape.paths.alignment.ground import Atoms
from fastscape.paths.alignment.likeness import Floats, Likeness, Table
from fastscape.paths.alignment.symmetry import Cell, Symmetry

__all__ = ["matched"]

_SWEEPS = 100
_ENTRIES = 1 << 24  # number of likenesses in memory at once
_LEAST = 1e-12  # fraction of the total; a smaller gain is rounding


def matched(
    symmetry: Symmetry, likeness: Likeness, *, restarts: int, seed: int, told: Callable[[], object] = lambda: None
) -> Atoms:
    """The best permutation found from several starts.

    Args:
        symmetry: The symmetry.
        likeness: The likeness of the two networks.
        restarts: Number of starts; the first start is the given order, further starts are random.
        seed: Seed of the random starts, and of the order of the assignments.
        told: A function that is called after each start. Default: none.

    Returns:
        Where each atom of the second network goes [count].
    """
    best, most = symmetry.identity(), -np.inf
    for start in range(restarts):
        generator = np.random.default_rng([seed, start])
        images = symmetry.random(generator) if start else symmetry.identity()
        images, total = _climbed(symmetry, likeness, images, generator)
        if total > most + _LEAST * abs(total):
            best, most = images, total
        told()
    return best


def _climbed(
    symmetry: Symmetry, likeness: Likeness, images: Atoms, generator: np.random.Generator
) -> tuple[Atoms, float]:
    """A permutation that no assignment within one cell improves."""
    likeness.order(images)
    total = likeness.total()
    cells = _outermost(symmetry)
    for _ in range(_SWEEPS):
        before = total
        for at in generator.permutation(len(cells)):
            cell = cells[at]
            moved = _assigned(symmetry, cell, likeness)[images]
            likeness.order(moved, cell)
            now = likeness.total()
            if now > total + _LEAST * abs(total):
                images, total = moved, now
            else:  # both axes of a tensor may belong to the cell, and one of them was held fixed
                likeness.order(images, cell)
        if total <= before:
            break
    return images, total


def _outermost(symmetry: Symmetry) -> list[Cell]:
    """The cells that are not matched as part of an outer cell."""
    inside = np.zeros(symmetry.count, dtype=bool)
    for cell in symmetry.cells:
        for part in cell.inner:
            inside[cell.rows[:, part[:, 0]]] = True
    return [cell for cell in symmetry.cells if not inside[cell.rows[:, 0]].all()]


def _assigned(symmetry: Symmetry, cell: Cell, likeness: Likeness) -> Atoms:
    """Where each atom goes by the best assignment within a cell, with all other cells fixed."""
    tables = likeness.tables(cell)
    standing = [_standing(table.atoms, cell.rows) for table in tables]
    if not cell.inner:
        gain = np.zeros((cell.size, cell.size))
        for table, (_, places) in zip(tables, standing, strict=True):
            gain += table.products(places, places)
        return symmetry.moved(cell, _best(gain.T))
    return _assigned_with_inner(symmetry, cell, list(zip(tables, standing, strict=True)))


def _assigned_with_inner(symmetry: Symmetry, cell: Cell, tables: list[tuple[Table, tuple[Atoms, Atoms]]]) -> Atoms:
    """The same for a cell with inner cells: the value of each pair is the value of its own best assignment."""
    value = np.zeros((cell.size, cell.size))
    columns: dict[tuple[int, int], Atoms] = {}
    step = max(1, _ENTRIES // max(cell.rows.size * cell.rows.shape[1], 1))
    for start in range(0, cell.size, step):
        ones = np.arange(start, min(start + step, cell.size))
        likeness = _with_all(cell, ones, tables)
        for one in ones.tolist():
            for other in range(cell.size):
                columns[other, one], value[other, one] = _within(cell, likeness[one - start, other])
    order = _best(value)
    images = symmetry.identity()
    for other, one in enumerate(order):
        images[cell.rows[other]] = cell.rows[one][columns[other, one]]
    return images


def _with_all(cell: Cell, ones: Atoms, tables: list[tuple[Table, tuple[Atoms, Atoms]]]) -> Floats:
    """How alike what belongs to atoms of the first network is to what belongs to each of the second one's.

    Args:
        cell: The cell of both networks.
        ones: The numbers of the atoms.
        tables: Where they stand, each with the column of every place and the places.

    Returns:
        For each atom of the first and each of the second network, of columns of both [ones, n, columns, columns].
    """
    found = np.zeros((len(ones), cell.size, cell.rows.shape[1], cell.rows.shape[1]))
    for table, (belonging, places) in tables:
        products = table.products(places[ones].reshape(-1, 1), places.reshape(-1, 1))
        products = products.reshape(len(ones), len(belonging), *places.shape).transpose(0, 2, 1, 3)
        for number in range(int(np.bincount(belonging).max(initial=0))):
            at = _numbered(belonging, number)
            found[:, :, belonging[at][:, None], belonging[at]] += products[:, :, at[:, None], at]
    return found


def _within(cell: Cell, likeness: Floats) -> tuple[Atoms, float]:
    """The best order of the inner atoms of one pair of atoms.

    Args:
        cell: The cell of both networks.
        likeness: The likeness of columns of the first network and columns of the second [columns, columns].

    Returns:
        The column to which each column goes, and the value.
    """
    every = np.arange(len(likeness))
    image = every.copy()
    worth = likeness[image, every].sum()
    for _ in range(_SWEEPS):
        before = worth
        for part in cell.inner:
            goes = image[part]
            gain = np.sum([likeness[np.ix_(goes[:, k], part[:, k])] for k in range(part.shape[1])], axis=0)
            trial = image.copy()
            trial[part] = goes[_best(gain.T)]
            now = likeness[trial, every].sum()
            if now > worth + _LEAST * abs(worth):
                image, worth = trial, now
        if worth <= before or all(part.shape[1] == 1 for part in cell.inner):  # they are independent
            break
    return image, float(worth)


def _best(gain: Floats) -> Atoms:
    """For each row the assigned column, with the largest sum."""
    from scipy.optimize import linear_sum_assignment  # imported when needed, so `import fastscape` stays fast

    found: Atoms = linear_sum_assignment(gain, maximize=True)[1].astype(np.int64)
    return found


def _standing(atoms: Atoms, rows: Atoms) -> tuple[Atoms, Atoms]:
    """The positions on an axis of the atoms of rows.

    Args:
        atoms: The atoms of the axis.
        rows: Atoms [n, m].

    Returns:
        The column of each place, and the places [n, columns].
    """
    order = np.argsort(atoms, kind="stable")
    standing = atoms[order]
    first = np.searchsorted(standing, rows, side="left")
    counts = (np.searchsorted(standing, rows, side="right") - first)[0]
    belonging = np.repeat(np.arange(rows.shape[1]), counts)
    number = np.concatenate([np.arange(count) for count in counts]) if len(belonging) else belonging
    places = order[first[:, belonging] + number.astype(np.int64)]
    return belonging, places


def _numbered(belonging: Atoms, number: int) -> Atoms:
    """The positions that are the `number`-th place of their column."""
    first = np.searchsorted(belonging, belonging, side="left")
    found: Atoms = np.flatnonzero(np.arange(len(belonging)) - first == number)
    return found
