"""Reads and writes the files of a landscape: one module per format, and a table of the formats by ending.

A module has `written(values, ending) -> bytes`, and if the format can be read again `read(path) -> Values`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fastscape.results.atomic import write_whole
from fastscape.results.checks import check_values, clipped
from fastscape.results.formats import csv, hdf5, npz, paraview
from fastscape.results.values import Values

__all__ = ["FORMATS", "exported", "loaded", "saved"]


class _Format(NamedTuple):
    """The functions that write a file and read it again; None for a format that only other programs read."""

    written: Callable[[Values, str], bytes]
    read: Callable[[Path], Values] | None = None


FORMATS = {
    ".npz": _Format(npz.written, npz.read),
    ".csv": _Format(csv.written, csv.read),
    ".h5": _Format(hdf5.written, hdf5.read),
    ".hdf5": _Format(hdf5.written, hdf5.read),
    ".vts": _Format(paraview.written),
    ".vtp": _Format(paraview.written),
    ".vti": _Format(paraview.written),
    ".vtr": _Format(paraview.written),
}
"""Formats by the ending of a file's name."""


def saved(values: Values, path: Path) -> Path:
    """Writes values to one file that holds everything bit for bit.

    Args:
        values: The values.
        path: A file name that ends in .npz. Missing folders are created.

    Returns:
        The path.

    Raises:
        OSError: When the file cannot be written.
        ValueError: When the name has a different ending, or the values could not be read again: see `check_values`.
    """
    npz.check_path(path)
    check_values(values)
    write_whole(path, npz.written(values, ".npz"))
    return path


def exported(values: Values, path: Path) -> Path:
    """Writes values in the format of a different program, by the ending of the name.

    Args:
        values: The values.
        path: A name that ends in .csv, .h5, .hdf5, .vts, .vtp, .vti or .vtr.

    Returns:
        The path.

    Raises:
        ImportError: When the package for the format is not installed.
        OSError: When the file cannot be written.
        ValueError: When the name has a different ending, when the file needs the name of a metric itself or has a
            different number of axes, or when the values could not be read again: see `check_values`.
    """
    others = [ending for ending in FORMATS if ending != ".npz"]
    ending = path.suffix.lower()
    if ending not in others:
        raise ValueError(f"the name of a landscape's file must end in {', '.join(others)}, got {path.name!r}")
    check_values(values)
    write_whole(path, FORMATS[ending].written(values, ending))
    return path


def loaded(path: Path) -> Values:
    """Reads a file in the format of its ending; any other ending counts as .npz.

    Args:
        path: The file.

    Returns:
        The values.

    Raises:
        ImportError: When the package for the format is not installed.
        FileNotFoundError: When the file does not exist.
        OSError: When the file cannot be read.
        ValueError: When the file is damaged, or holds no landscape.
    """
    if not path.exists():
        raise FileNotFoundError(f"No such file: {clipped(path)}; give a landscape that save wrote, or a store")
    known = FORMATS.get(path.suffix.lower())
    read = known.read if known and known.read else npz.read
    return read(path)
