"""CSV: one row for each grid point, the last axis running fastest. It has no report."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from fastscape.results.formats.columns import by_name, columns, mesh
from fastscape.results.values import Values

__all__ = ["read", "written"]


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
        ValueError: When the file holds no whole grid.
    """
    try:
        names, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        table = np.array(rows, dtype=np.float64)
        count = 2 if names[:2] == ["x", "y"] else 1
        if names[0] != "x" or names[count] != "loss" or table.shape[1:] != (len(names),):
            raise ValueError(f"its columns are {', '.join(names)}; wanted x, y, loss, ...")
        axes = {name: np.unique(table[:, k]) for k, name in enumerate(names[:count])}
        order = np.lexsort(table[:, :count].T[::-1])
        whole = np.stack([grid.ravel() for grid in np.meshgrid(*axes.values(), indexing="ij")], axis=1)
        if not np.array_equal(table[order][:, :count], whole):
            raise ValueError("its rows are no whole grid")
        shape = tuple(map(len, axes.values()))
        grids = by_name((name, table[order][:, k].reshape(shape)) for k, name in enumerate(names) if k >= count)
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(f"{path} is no landscape ({error}); give a file that Landscape.export has written") from error
    error_of_mean, evaluated = grids.pop("standard_error", None), grids.pop("evaluated", None)
    return Values(axes, grids, {"imported": path.name}, error_of_mean, evaluated)
