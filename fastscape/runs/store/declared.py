"""What the arrays of a store declare, against what is there: a file of a kilobyte can declare a terabyte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["check_declared"]

_OF_NO_SHAPE = 64  # no axis is smaller compressed than by this
_SMALL = 1 << 20  # bytes that may be read without a thought
_SUMS = ("sums", "sums_0", "sums_1", "order")


def check_declared(
    path: Path, group: Any, axes: Sequence[str], grids: Sequence[str], measures: int, rows_of: Callable[..., int]
) -> None:
    """Refuses a store of which an array declares more than the axes need, before memory is taken for it.

    Args:
        path: The store.
        group: Its arrays. Of one that is not there, or cannot be opened, nothing is said here.
        axes: Names of the axes.
        grids: Names of the arrays that have the shape of the landscape.
        measures: How many measures there are.
        rows_of: How many rows the sums have for a number of points and the size of a block, ordered or not.

    Raises:
        ValueError: When one declares more.
    """
    shape = tuple(_length(path, group, name) for name in axes)
    points = math.prod(shape)
    for name, array in _opened(path, group, grids, points).items():
        if array.shape != shape:
            raise ValueError(f"{path / name} must declare the shape {shape}, got {array.shape}")
    for name, array in _opened(path, group, _SUMS, points * (measures + 1)).items():
        known = {points, rows_of(points, array.chunks[0], ordered=False)}
        if array.shape[0] not in known or array.shape[1:] not in {(), (measures,), (measures + 1,)}:
            raise ValueError(f"{path / name} declares the shape {array.shape} for {points} points")


def _length(path: Path, group: Any, name: str) -> int:
    """The length of an axis, of which nothing else says how long it must be."""
    axis = _opened(path, group, [name], 0).get(name)
    if axis is None:
        return 1
    stored = sum(file.stat().st_size for file in (path / name).rglob("*"))
    if len(axis.shape) != 1 or axis.nbytes > max(_OF_NO_SHAPE * stored, _SMALL):
        raise ValueError(f"{path / name} declares the shape {axis.shape}, and {stored} bytes are there")
    return int(axis.shape[0])


def _opened(path: Path, group: Any, names: Sequence[str], entries: int) -> dict[str, Any]:
    """Those arrays that can be opened, of numbers, and in files no larger than what is in them.

    Args:
        path: The store.
        group: Its arrays.
        names: Of the arrays.
        entries: How many numbers each has, at most; 0 for as many as it declares.

    Returns:
        Arrays of zarr by name.

    Raises:
        ValueError: When one is of something else, or its files are larger.
    """
    found = {}
    for name in names:
        with suppress(Exception):  # zarr raises what it likes; who reads the array says what is wrong
            found[name] = group[name]
    for name, array in found.items():
        chunk = math.prod(array.chunks) * array.dtype.itemsize
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{path / name} must have entries that are numbers, got {array.dtype}")
        if chunk > 4 * (entries or array.size) * array.dtype.itemsize + _SMALL:
            raise ValueError(f"{path / name} declares files of {chunk} bytes, which is more than there can be in them")
    return found
