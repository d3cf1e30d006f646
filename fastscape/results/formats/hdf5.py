"""The HDF5 layout of the code of Li et al.: `train_loss` with one row for each y coordinate, accuracies in percent.

In files of the reference code a value of -1 means that a point was not computed: a loss, or an accuracy in percent.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results.formats.columns import by_name, columns, package
from fastscape.results.values import Values

__all__ = ["read", "written"]

_AXES = {"x": "xcoordinates", "y": "ycoordinates"}
_PERCENT = {"train_acc": "accuracy", "test_acc": "test_accuracy"}
_OURS = {"train_loss": "loss", **_PERCENT}
_OF_LAYOUT = {*_AXES.values(), "train_loss", *_PERCENT}
_NOT_COMPUTED = -1.0


def written(values: Values, _: str) -> bytes:
    """The content of a file."""
    h5py = package("h5py", "hdf5")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, axis in values.axes.items():
            file[_AXES[name]] = axis
        for name, grid in columns(values, _OF_LAYOUT).items():
            percent = {ours: theirs for theirs, ours in _PERCENT.items()}.get(name)
            theirs = "train_loss" if name == "loss" else percent or name
            file[theirs] = 100 * grid.T if percent else grid.T
        file.attrs["report"] = json.dumps(dict(values.report))
    return content.getvalue()


def read(path: Path) -> Values:
    """Reads a file of this library, or of the reference code.

    Args:
        path: The file.

    Returns:
        The values. Points that were not computed are NaN, and the report counts them.

    Raises:
        ValueError: When the file holds no grid.
    """
    h5py = package("h5py", "hdf5")
    try:
        with h5py.File(io.BytesIO(path.read_bytes()), "r") as file:
            arrays = {name: array for name, data in file.items() if (array := _numbers(data)) is not None}
            ours = "report" in file.attrs  # in the reference code's files -1 is a point that was not computed
            report = json.loads(file.attrs["report"]) if ours else {}
        axes = {name: arrays.pop(theirs) for name, theirs in _AXES.items() if theirs in arrays or name == "x"}
        shape, loss = tuple(map(len, axes.values())), arrays.pop("train_loss")
        if loss.size != math.prod(shape):
            raise ValueError(f"train_loss has {loss.size} values for {' x '.join(map(str, shape))} points")
        missing = np.full_like(loss, False, dtype=bool) if ours else loss == _NOT_COMPUTED
        known = {"train_loss": loss, **arrays}
        grids = by_name(_measured(known if ours else _without(known, missing), shape))
    except Exception as error:  # a damaged file can make HDF5 raise anything
        raise ValueError(
            f"{path} is no landscape in the layout of Li et al. ({type(error).__name__}: {error}); wanted "
            "xcoordinates, ycoordinates and train_loss"
        ) from error
    counted = {"imported": path.name, "not_computed": int(missing.sum())}
    error_of_mean, evaluated = (grids.pop(name, None) for name in ("standard_error", "evaluated"))
    return Values(axes, grids, {**report, **counted}, error_of_mean, evaluated)


def _without(arrays: Mapping[str, np.ndarray], missing: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays with NaN at the points that were not computed, and for accuracies that were not."""
    found = {}
    for name, array in arrays.items():
        if array.size == missing.size:
            unknown = missing.reshape(array.shape)
            array = np.where(unknown | (array == _NOT_COMPUTED) if name in _PERCENT else unknown, np.nan, array)
        found[name] = array
    return found


def _measured(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """What a file measures, each by its name here and in the shape of the axes; the loss first."""
    for name, array in arrays.items():
        if array.size == math.prod(shape):
            # A non-square file of the reference code says [x, y], but was filled as [y, x].
            grid = array.reshape(shape[::-1]).T
            yield _OURS.get(name, name), grid / 100 if name in _PERCENT else grid


def _numbers(data: Any) -> np.ndarray | None:
    """A data set as an array; None where it holds something else: names, nothing, or further data sets."""
    try:
        array = np.asarray(data[()], dtype=np.float64)
    except (KeyError, TypeError, ValueError):
        return None
    return array if array.ndim else None
