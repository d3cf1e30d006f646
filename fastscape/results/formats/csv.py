"""Reads and writes CSV: one row for each grid point, the last axis running fastest, and no report."""

from __future__ import annotations

import csv
import io
import itertools
import math
import warnings
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from fastscape.results.axes import MOST_AXES, known_axes
from fastscape.results.checks import check_values, clipped
from fastscape.results.formats.columns import beside, by_name, columns
from fastscape.results.values import Values

__all__ = ["read", "written"]

_CELLS = 10_000  # cells that are text at one time, as text takes many times the memory of numbers
_LINE = 1 << 20  # letters
_COMMA, _NEWLINE = b",\n"


def written(values: Values, _: str) -> bytes:
    """The content of a file: for each point its coordinates, its measures, and further columns."""
    found = columns(values)
    text = io.StringIO(newline="")
    csv.writer(text).writerow([*values.axes, *found])
    # The text of a coordinate is made once, and not for every point.
    *outer, inner = (list(map(repr, axis.tolist())) for axis in values.axes.values())
    grids = [grid.reshape(-1, len(inner)) for grid in found.values()]
    for start, *rows in zip(map(",".join, itertools.product(*outer)), *grids, strict=True):
        cells = [[start] * len(inner)] if start else []
        points = zip(*cells, inner, *(map(repr, row.tolist()) for row in rows), strict=True)
        text.write("\r\n".join(map(",".join, points)))
        text.write("\r\n")
    return text.getvalue().encode()


def read(path: Path) -> Values:
    """Reads a file whose rows may come in any order.

    Args:
        path: The file.

    Returns:
        The values, without a report.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file holds no whole grid.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            values = _values(file, path.name)
        check_values(values)
    except (ValueError, IndexError, StopIteration, csv.Error) as error:
        raise ValueError(
            f"{path} is no landscape ({clipped(error)}); give a file that Landscape.export has written"
        ) from error
    return values


def _values(file: IO[str], name: str) -> Values:
    names = next(filter(None, csv.reader(_lines(file))))
    count = names.index("loss") if "loss" in names else 0
    if not known_axes(names[:count]) or count > MOST_AXES:
        raise ValueError(f"its columns must be x, y, loss, ..., got {', '.join(names)}")
    table = _table(file, len(names))
    axes = {name: _different(table[:, k]) for k, name in enumerate(names[:count])}
    shape = tuple(map(len, axes.values()))
    if math.prod(shape) != len(table):  # before a grid of that size is made
        raise ValueError(f"its {len(table)} rows are no whole grid of {' x '.join(map(str, shape))} points")
    place = np.zeros(len(table), dtype=np.int64)  # of each row in the grid
    for k, axis in enumerate(axes.values()):
        place *= len(axis)
        place += np.searchsorted(axis, table[:, k])
    seen = np.zeros(len(table), dtype=bool)
    seen[np.minimum(place, len(table) - 1)] = True  # NaN is sorted behind all other coordinates
    if not seen.all():
        raise ValueError("its rows are no whole grid: one point occurs twice, and a different point is missing")
    grids = by_name((name, _placed(table[:, k], place, shape)) for k, name in enumerate(names) if k >= count)
    apart = beside(grids)
    return Values.keeping(axes, grids, {"imported": name}, *apart)


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(_LINE):
        if len(line) == _LINE:
            raise ValueError(f"it has a line of more than {_LINE} letters")
        yield line


def _table(file: IO[str], width: int) -> np.ndarray:
    """The numbers [rows, columns] of the rest of a file."""
    numbers = array("d")
    for block in _blocks(file):
        found = _plain(block, width)
        parts = _any(block, width) if found is None else [found]
        for part in parts:
            numbers.frombytes(part.tobytes())
    return np.frombuffer(numbers, dtype=np.float64).reshape(-1, width)


def _blocks(file: IO[str]) -> Iterator[str]:
    """Whole lines, many at a time."""
    rest = ""
    while block := file.read(_LINE):
        lines, end, begun = block.rpartition("\n")
        if end:
            yield rest + lines + end
            rest = ""
        rest += begun
        if len(rest) > _LINE:
            raise ValueError(f"it has a line of more than {_LINE} letters")
    if rest:
        yield rest


def _plain(block: str, width: int) -> np.ndarray | None:
    """The numbers [rows, columns] of lines as `written` makes them; None if there is anything else."""
    text = block.replace("\r\n", "\n").strip("\n")
    if not text.isascii():
        return None
    letters = np.frombuffer(text.encode(), dtype=np.uint8)
    ends = np.append(letters[(letters == _COMMA) | (letters == _NEWLINE)], _NEWLINE)
    if len(ends) % width or not (ends.reshape(-1, width) == [_COMMA] * (width - 1) + [_NEWLINE]).all():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # so numpy reports text that is no number
        try:
            numbers = np.fromstring(text.replace("\n", ","), sep=",")
        except (ValueError, DeprecationWarning):
            return None
    return numbers.reshape(-1, width) if len(numbers) == len(ends) else None


def _any(block: str, width: int) -> Iterator[np.ndarray]:
    """The numbers [rows, columns] of lines that a different program may have made, some at a time."""
    rows = filter(None, csv.reader(io.StringIO(block, newline="")))
    while some := list(itertools.islice(rows, max(_CELLS // width, 1))):
        part = np.array(some, dtype=np.float64)
        if part.shape != (len(some), width):
            raise ValueError(f"its rows have {part.shape[-1]} cells for {width} columns")
        yield part


def _different(column: np.ndarray) -> np.ndarray:
    """The different numbers of a column, increasing, as by `np.unique`, but without sorting all if possible."""
    if not len(column):
        return column
    changes = np.flatnonzero(column[1:] != column[:-1]) + 1
    if 2 * len(changes) < len(column):  # an outer axis, which changes seldom
        return np.unique(column[np.append(0, changes)])
    (again,) = np.nonzero(column == column[0])
    if len(again) < 2:
        return np.unique(column)
    some = np.unique(column[: again[1]])  # an inner axis, whose coordinates repeat
    known = some[np.minimum(np.searchsorted(some, column), len(some) - 1)]
    return some if np.array_equal(known, column) else np.unique(column)


def _placed(column: np.ndarray, place: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    grid = np.empty(len(column))
    grid[place] = column
    return grid.reshape(shape)
