"""Checks the declared sizes of arrays in a store against its files: a file of a kilobyte can declare a terabyte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["check_declared"]

_OF_NO_SHAPE = 64  # largest compression ratio of an axis
_SMALL = 1 << 20  # number of bytes that may always be read
_SUMS = ("sums", "sums_0", "sums_1", "order")
_MOMENTS = 0, 1, 3  # numbers of columns that may follow the measures


def check_declared(
    path: Path, group: Any, axes: Sequence[str], grids: Sequence[str], measures: int, rows_of: Callable[..., int]
) -> None:
    """Refuses a store in which an array declares more than the axes need, before memory is taken.

    Args:
        path: The store.
        group: Its arrays. Arrays that are missing or cannot be opened are not checked.
        axes: Names of the axes.
        grids: Names of the arrays that have the shape of the landscape.
        measures: Number of measures.
        rows_of: The number of rows of the sums, for a number of points and a block size, ordered or not.

    Raises:
        ValueError: When an array declares more.
    """
    shape = tuple(_length(path, group, name) for name in axes)
    points = math.prod(shape)
    for name, array in _opened(path, group, grids, points).items():
        if array.shape != shape:
            raise ValueError(f"{path / name} must declare the shape {shape}, got {array.shape}")
    for name, array in _opened(path, group, _SUMS, points * (measures + max(_MOMENTS))).items():
        known = {points, rows_of(points, array.chunks[0], ordered=False)}
        if array.shape[0] not in known or array.shape[1:] not in {(), *((measures + k,) for k in _MOMENTS)}:
            raise ValueError(f"{path / name} declares the shape {array.shape} for {points} points")


def _length(path: Path, group: Any, name: str) -> int:
    """The length of an axis, which is declared nowhere else."""
    axis = _opened(path, group, [name], 0).get(name)
    if axis is None:
        return 1
    stored = sum(file.stat().st_size for file in (path / name).rglob("*"))
    if len(axis.shape) != 1 or axis.nbytes > max(_OF_NO_SHAPE * stored, _SMALL):
        raise ValueError(f"{path / name} declares the shape {axis.shape}, and {stored} bytes are there")
    return int(axis.shape[0])


def _opened(path: Path, group: Any, names: Sequence[str], entries: int) -> dict[str, Any]:
    """The arrays that can be opened, after checking that they hold numbers and that their files are not too large.

    Args:
        path: The store.
        group: Its arrays.
        names: The names of the arrays.
        entries: Largest number of entries of each array; 0 for the declared number.

    Returns:
        Arrays of zarr by name.

    Raises:
        ValueError: When an array does not hold numbers, or its files are too large.
    """
    found = {}
    for name in names:
        with suppress(Exception):  # zarr may raise anything; the reader of the array reports the error
            found[name] = group[name]
    for name, array in found.items():
        chunk = math.prod(array.chunks) * array.dtype.itemsize
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{path / name} must have entries that are numbers, got {array.dtype}")
        if chunk > 4 * (entries or array.size) * array.dtype.itemsize + _SMALL:
            raise ValueError(f"{path / name} declares files of {chunk} bytes, which is more than there can be in them")
    return found
