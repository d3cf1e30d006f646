"""CSV: one row for each grid point, the last axis running fastest. It has no report."""

from __future__ import annotations

import csv
import io
import itertools
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from fastscape.results.checks import check_values, clipped
from fastscape.results.formats.columns import beside, by_name, columns, mesh
from fastscape.results.values import Values

__all__ = ["read", "written"]

_CELLS = 10_000  # that are text at one time, which takes many times the room of numbers
_LINE = 1 << 20  # letters


def written(values: Values, _: str) -> bytes:
    """The content of a file: the coordinates of a point, its measures, and what else is known of it."""
    found = columns(values)
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow([*values.axes, *found])
    arrays = [*mesh(values), *found.values()]
    rows.writerows(zip(*(map(repr, array.ravel().tolist()) for array in arrays), strict=True))
    return text.getvalue().encode()


def read(path: Path) -> Values:
    """Reads a file whose rows may come in any order.

    Args:
        path: The file.

    Returns:
        The values, without a report.

    Raises:
        OSError: When there is no such file, or it cannot be read.
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
    rows = filter(None, csv.reader(_lines(file)))
    names = next(rows)
    count = 2 if names[:2] == ["x", "y"] else 1
    if names[0] != "x" or names[count] != "loss":
        raise ValueError(f"its columns are {', '.join(names)}; wanted x, y, loss, ...")
    table = _table(rows, len(names))
    axes = {name: np.unique(table[:, k]) for k, name in enumerate(names[:count])}
    shape = tuple(map(len, axes.values()))
    if math.prod(shape) != len(table):  # before a grid of that size is made
        raise ValueError(f"its {len(table)} rows are no whole grid of {' x '.join(map(str, shape))} points")
    place = np.zeros(len(table), dtype=np.int64)  # of each row in the grid
    for k, axis in enumerate(axes.values()):
        place *= len(axis)
        place += np.searchsorted(axis, table[:, k])
    seen = np.zeros(len(table), dtype=bool)
    seen[np.minimum(place, len(table) - 1)] = True  # a coordinate that is NaN lies behind all others
    if not seen.all():
        raise ValueError("its rows are no whole grid: one point is there twice, another is not")
    grids = by_name((name, _placed(table[:, k], place, shape)) for k, name in enumerate(names) if k >= count)
    error, evaluated = beside(grids)
    return Values.keeping(axes, grids, {"imported": name}, error, evaluated)


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(_LINE):
        if len(line) == _LINE:
            raise ValueError(f"it has a line of more than {_LINE} letters")
        yield line


def _table(rows: Iterator[list[str]], width: int) -> np.ndarray:
    """The numbers [rows, columns] of what is still to come."""
    numbers = array("d")
    while some := list(itertools.islice(rows, max(_CELLS // width, 1))):
        part = np.array(some, dtype=np.float64)
        if part.shape != (len(some), width):
            raise ValueError(f"its rows have {part.shape[-1]} cells for {width} columns")
        numbers.frombytes(part.tobytes())
    return np.frombuffer(numbers, dtype=np.float64).reshape(-1, width)


def _placed(column: np.ndarray, place: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    grid = np.empty(len(column))
    grid[place] = column
    return grid.reshape(shape)
