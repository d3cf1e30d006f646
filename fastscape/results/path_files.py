"""Writes a path as CSV, or as HDF5 with the names that the code of Li et al. gives its projections.

`plot_2D.py` and `plot_trajectory.py` of that code read `proj_xcoord` and `proj_ycoord` from the file of a projection.
They read the variance that the axes explain, `explained_variance_ratio_`, from the file of the directions. The export
of a landscape can replace the file of the directions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results.atomic import write_whole
from fastscape.results.axes import axis_names, known_axes
from fastscape.results.optional import package

__all__ = ["MEASURE", "dataset", "exported_path", "table"]

MEASURE = "measure:"  # before a recorded name, which may equal the name of a column, such as "loss"
_ENDINGS = (".csv", ".h5", ".hdf5")


def table(points: np.ndarray, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A path as named columns.

    Args:
        points: Coordinates [n, axes].
        columns: Further numbers of every point, by name [n].

    Returns:
        "step" if it is known; "x", "y" and "z", or with more axes "x1", "x2" and so on; and the other columns.
    """
    names = axis_names(points.shape[1])
    others = {name: column for name, column in columns.items() if name != "steps"}
    steps = {"step": columns["steps"]} if "steps" in columns else {}
    return {**steps, **dict(zip(names, points.T, strict=True)), **others}


def exported_path(found: Mapping[str, np.ndarray], name: str, path: Path) -> Path:
    """Writes a path to a file.

    Args:
        found: The columns of the path, as `table` gives them.
        name: The name of the path.
        path: A name that ends in .csv, .h5 or .hdf5. Missing folders are created.

    Returns:
        The file.

    Raises:
        ImportError: When h5py is not installed, for .h5 and .hdf5.
        OSError: When the file cannot be written; an older file stays as it was.
        ValueError: When the name has a different ending, or HDF5 cannot hold the name of a measure.
    """
    ending = path.suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(f"the name of a path's file must end in {', '.join(_ENDINGS)}, got {path.name!r}")
    write_whole(path, _csv(found) if ending == ".csv" else _hdf5(found, name))
    return path


def dataset(found: Mapping[str, np.ndarray], name: str) -> Any:
    """A path as an `xarray.Dataset` over its points, with the step as a coordinate.

    Args:
        found: The columns of the path, as `table` gives them.
        name: The name of the path.

    Returns:
        The dataset.

    Raises:
        ImportError: When xarray is not installed.
    """
    columns = {called: ("point", column) for called, column in found.items()}
    coordinates = {called: columns.pop(called) for called in ("step",) if called in columns}
    return package("xarray", "xarray").Dataset(columns, coordinates, {"name": name})


def _csv(found: Mapping[str, np.ndarray]) -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(found)
    rows.writerows(zip(*(map(repr, column.tolist()) for column in found.values()), strict=True))
    return text.getvalue().encode()


def _hdf5(found: Mapping[str, np.ndarray], name: str) -> bytes:
    h5py = package("h5py", "hdf5")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for called, column in found.items():
            theirs = f"proj_{called}coord" if known_axes([called]) else called
            if called.startswith(MEASURE):
                theirs = f"measures/{called.removeprefix(MEASURE)}"  # a name with a slash is in a group, as elsewhere
            try:
                if {"", "."} & {*theirs.split("/")} or "\0" in theirs:
                    raise ValueError("a part of it is no name")
                file[theirs] = column
            except (ValueError, OSError, RuntimeError, TypeError) as error:
                raise ValueError(
                    f"HDF5 can have no measure of the name {called.removeprefix(MEASURE)[:100]!r} beside the others; "
                    "give it another one, or export the path as .csv"
                ) from error
        file.attrs["name"] = name
    return content.getvalue()
