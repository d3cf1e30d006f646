"""Landscapes in the formats of other programs: CSV, the HDF5 layout of Li et al., xarray, ParaView.

The reference code of Li et al. keeps `train_loss` with one row for each y coordinate, and accuracies in percent. In
its files a value of -1 means that a point was not computed.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import tempfile
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.files import write_whole
from fastscape.heights import heights
from fastscape.parts import Parts

if TYPE_CHECKING:
    from fastscape.result import Landscape

__all__ = ["ENDINGS", "exported", "imported", "to_xarray"]

_TAKEN = {"x", "y", "standard_error", "evaluated"}

_PERCENT = {"train_acc": "accuracy", "test_acc": "test_accuracy"}
_OF_HDF5 = {"xcoordinates", "ycoordinates", "train_loss", *_PERCENT}
_NOT_COMPUTED = -1.0


def exported(landscape: Landscape, path: Path) -> Path:
    """Writes a landscape in the format that the ending of the name says.

    Args:
        landscape: The landscape.
        path: A name that ends in .csv, .h5, .hdf5, .vts or .vtp.

    Returns:
        The path.

    Raises:
        ImportError: When the package for the format is not installed.
        ValueError: When the name has another ending, a metric has the name of something else in the file, or a line is
            to become a surface.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"a landscape cannot be exported as {path.name!r}; wanted an ending of {', '.join(ENDINGS)}")
    _check_names(landscape)
    write_whole(path, ENDINGS[ending](landscape, ending))
    return path


def imported(path: Path) -> Parts:
    """Reads a landscape from CSV or the HDF5 layout of Li et al.

    Args:
        path: A name that ends in .csv, .h5 or .hdf5.

    Returns:
        Its parts. Points that were not computed are NaN, and the report counts them.

    Raises:
        ImportError: When the package for the format is not installed.
        ValueError: When the file holds no grid.
    """
    return _from_csv(path) if path.suffix.lower() == ".csv" else _from_hdf5(path)


def to_xarray(landscape: Landscape) -> Any:
    """A landscape as an `xarray.Dataset`: measures over the coordinates x and y, the report as JSON in its attributes.

    Args:
        landscape: The landscape.

    Returns:
        The dataset.

    Raises:
        ImportError: When xarray is not installed.
        ValueError: When a metric has the name of something else in the dataset.
    """
    _check_names(landscape)
    xarray = _package("xarray", "xarray")
    names = ("x",) if landscape.y is None else ("x", "y")
    coordinates = {name: axis for name, axis in zip("xy", (landscape.x, landscape.y), strict=True) if axis is not None}
    grids = {name: (names, grid) for name, grid in _columns(landscape).items()}
    return xarray.Dataset(grids, coordinates, {"report": json.dumps(dict(landscape.report))})


def _check_names(landscape: Landscape, further: Set[str] = frozenset()) -> None:
    if taken := (_TAKEN | further) & landscape.metrics.keys():
        raise ValueError(f"a metric is named {min(taken)!r}, as a part of what is written; give it another name")


def _columns(landscape: Landscape) -> dict[str, np.ndarray]:
    """The measures, the standard error, and where some values were predicted which were not (1), by name."""
    columns = dict(landscape.values)
    if landscape.standard_error is not None:
        columns["standard_error"] = landscape.standard_error
    return columns | _mask(landscape)


def _mask(landscape: Landscape) -> dict[str, np.ndarray]:
    return {} if landscape.evaluated.all() else {"evaluated": landscape.evaluated.astype(np.float64)}


def _package(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed ({error}); write pip install {name}, or pip install 'fastscape[{extra}]'"
        ) from error


def _csv(landscape: Landscape, _: str) -> bytes:
    """One row for each grid point, y running fastest."""
    columns = _columns(landscape)
    axes = [axis for axis in (landscape.x, landscape.y) if axis is not None]
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow([*"xy"[: len(axes)], *columns])
    mesh = [grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")]
    rows.writerows(zip(*(map(repr, array.ravel().tolist()) for array in (*mesh, *columns.values())), strict=True))
    return text.getvalue().encode()


def _from_csv(path: Path) -> Parts:
    try:
        names, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
        table = np.array(rows, dtype=np.float64)
        axes = 2 if names[:2] == ["x", "y"] else 1
        if names[0] != "x" or names[axes] != "loss" or table.shape[1:] != (len(names),):
            raise ValueError(f"its columns are {', '.join(names)}; wanted x, y, loss, ...")
        x, y = np.unique(table[:, 0]), np.unique(table[:, 1]) if axes == 2 else None
        shape = (len(x),) if y is None else (len(x), len(y))
        order = np.lexsort(table[:, :axes].T[::-1])
        mesh = np.stack([grid.ravel() for grid in np.meshgrid(x, *([] if y is None else [y]), indexing="ij")], axis=1)
        if not np.array_equal(table[order][:, :axes], mesh):
            raise ValueError("its rows are no whole grid")
    except (ValueError, IndexError, csv.Error) as error:
        raise ValueError(f"{path} is no landscape ({error}); give a file that Landscape.export has written") from error
    grids = {name: table[order][:, k].reshape(shape) for k, name in enumerate(names) if k >= axes}
    error_of_mean, evaluated = grids.pop("standard_error", None), grids.pop("evaluated", None)
    return Parts(x, y, grids.pop("loss"), grids, {"imported": path.name}, error_of_mean, evaluated)


def _hdf5(landscape: Landscape, _: str) -> bytes:
    h5py = _package("h5py", "hdf5")
    _check_names(landscape, _OF_HDF5)
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["xcoordinates"] = landscape.x
        if landscape.y is not None:
            file["ycoordinates"] = landscape.y
        file["train_loss"] = landscape.loss.T
        for name, grid in _columns(landscape).items():
            percent = {ours: theirs for theirs, ours in _PERCENT.items()}.get(name)
            if name != "loss":
                file[percent or name] = 100 * grid.T if percent else grid.T
        file.attrs["report"] = json.dumps(dict(landscape.report))
    return content.getvalue()


def _from_hdf5(path: Path) -> Parts:
    h5py = _package("h5py", "hdf5")
    try:
        with h5py.File(io.BytesIO(path.read_bytes()), "r") as file:
            arrays = {name: array for name, data in file.items() if (array := _numbers(data)) is not None}
            ours = "report" in file.attrs  # in the reference code's files -1 is a point that was not computed
            report = json.loads(file.attrs["report"]) if ours else {}
        x, y, loss = arrays.pop("xcoordinates"), arrays.pop("ycoordinates", None), arrays.pop("train_loss")
        if loss.size != len(x) * (1 if y is None else len(y)):
            raise ValueError(f"train_loss has {loss.size} values for {len(x)} x {1 if y is None else len(y)} points")
    except Exception as error:  # a damaged file can make HDF5 raise anything
        raise ValueError(
            f"{path} is no landscape in the layout of Li et al. ({type(error).__name__}: {error}); wanted "
            "xcoordinates, ycoordinates and train_loss"
        ) from error

    def grid(array: np.ndarray) -> np.ndarray:
        # A non-square file of the reference code says [x, y], but was filled as [y, x].
        return array if y is None else array.reshape(len(y), len(x)).T

    missing = np.full_like(loss, False, dtype=bool) if ours else loss == _NOT_COMPUTED
    metrics = {
        _PERCENT.get(name, name): grid(array) / (100 if name in _PERCENT else 1)
        for name, array in arrays.items()
        if array.size == loss.size
    }
    counted = {"imported": path.name, "not_computed": int(missing.sum())}
    error_of_mean, evaluated = (metrics.pop(name, None) for name in ("standard_error", "evaluated"))
    values = grid(np.where(missing, np.nan, loss))
    return Parts(x, y, values, metrics, {**report, **counted}, error_of_mean, evaluated)


def _numbers(data: Any) -> np.ndarray | None:
    """A data set as an array; None where it holds something else: names, nothing, or further data sets."""
    try:
        array = np.asarray(data[()], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return array if array.ndim else None


def _paraview(landscape: Landscape, ending: str) -> bytes:
    """The surface at the heights of its picture, with the measures at its points."""
    if landscape.y is None:
        raise ValueError("a line has no surface; export it as .csv or .h5")
    pyvista = _package("pyvista", "paraview")
    z, _ = heights(landscape)
    grids = np.meshgrid(landscape.x, landscape.y, indexing="ij")
    surface = pyvista.StructuredGrid(*(np.ascontiguousarray(a)[..., None] for a in (*grids, np.nan_to_num(z))))
    for name, values in _columns(landscape).items():
        surface.point_data[name] = values.ravel(order="F")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"surface{ending}"
        (surface if ending == ".vts" else surface.extract_surface(algorithm=None)).save(file)
        return file.read_bytes()


ENDINGS = {".csv": _csv, ".h5": _hdf5, ".hdf5": _hdf5, ".vts": _paraview, ".vtp": _paraview}
"""What writes a file, by the ending of its name."""
