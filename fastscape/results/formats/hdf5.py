"""Reads and writes the HDF5 layout of Li et al.: `train_loss` with a row per y coordinate, accuracies in percent.

If the axes are principal components, the file has the share of the variance of each component, by the name that the
code of Li et al. uses in its files of directions.

In files of the reference code a value of -1 means that a point was not computed: a loss, or an accuracy in percent.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results.axes import axis_names, known_axes
from fastscape.results.checks import check_values, clipped, parsed, report_in
from fastscape.results.formats.apart import parts_apart
from fastscape.results.formats.columns import beside, by_name, columns
from fastscape.results.formats.stored import EXPLAINED
from fastscape.results.optional import package
from fastscape.results.sections import SECTIONS
from fastscape.results.values import Values

__all__ = ["read", "written"]

_AXES = "xcoordinates", "ycoordinates"
_PERCENT = {"train_acc": "accuracy", "test_acc": "test_accuracy"}
_OURS = {"train_loss": "loss", **_PERCENT}
_OF_LAYOUT = {*_AXES, "train_loss", *_PERCENT, EXPLAINED}
_NOT_COMPUTED = -1.0


def written(values: Values, _: str) -> bytes:
    """The content of a file."""
    if len(values.axes) > len(_AXES):
        raise ValueError(
            f"the HDF5 layout of Li et al. holds lines and planes, and the landscape has {len(values.axes)} axes; "
            "export it as .csv, or a slice or a projection of it as .h5"
        )
    h5py = package("h5py", "hdf5")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for theirs, axis in zip(_AXES, values.axes.values(), strict=False):
            file[theirs] = axis
        for name, grid in columns(values, _OF_LAYOUT).items():
            percent = {ours: theirs for theirs, ours in _PERCENT.items()}.get(name)
            theirs = "train_loss" if name == "loss" else percent or name
            file[theirs] = 100 * grid.T if percent else grid.T
        if explained := _explained(values):
            file[EXPLAINED] = explained
        file.attrs["report"] = json.dumps(dict(values.report))
    return content.getvalue()


def _explained(values: Values) -> list[float]:
    """The share of the variance of each principal component, by the report; empty if the report does not say it."""
    plane = values.report.get("plane")
    shares = plane.get("explained") if isinstance(plane, Mapping) else None
    if not isinstance(shares, list | tuple) or not all(isinstance(share, float) for share in shares):
        return []
    return list(shares)


def read(path: Path) -> Values:
    """Reads a file of this library, or of the reference code.

    Before it takes memory, it compares what a data set declares with the axes and with its stored bytes. It leaves
    out data sets of other sizes, and data in other files.

    Args:
        path: The file.

    Returns:
        The values. Points that were not computed are NaN, and the report counts them.

    Raises:
        ImportError: When h5py is not installed.
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file holds no grid.
    """
    package("h5py", "hdf5")
    found = parts_apart(path)
    try:
        values = _values(dict(found), path.name)
        check_values(values)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no landscape in the layout of Li et al. ({clipped(error)}); it must have xcoordinates, "
            "ycoordinates and train_loss"
        ) from error
    return values


def _values(arrays: dict[str, Any], name: str) -> Values:
    ours = "report" in arrays  # in the reference code's files -1 is a point that was not computed
    report = report_in(parsed(arrays.pop("report"))) if ours else {}
    coordinates = [arrays.pop(theirs) for theirs in _AXES if theirs in arrays]
    axes = dict(zip(_names(report, len(coordinates)), coordinates, strict=True))
    missing = np.zeros(1, dtype=bool) if ours else arrays["train_loss"] == _NOT_COMPUTED
    grids = by_name(_measured(arrays if ours else _without(arrays, missing), tuple(map(len, axes.values()))))
    apart = beside(grids)
    counted = {"imported": name, "not_computed": int(missing.sum())}
    return Values.keeping(axes, {"loss": grids.pop("loss"), **grids}, {**report, **counted}, *apart)


def _names(report: Mapping[str, Any], count: int) -> Sequence[str]:
    """The names of the axes, which the layout does not hold; for a slice or a projection the report says them."""
    sections = report.get(SECTIONS)
    last = sections[-1] if isinstance(sections, list) and sections else None
    names = last.get("axes") if isinstance(last, Mapping) else None
    if isinstance(names, list) and len(names) == count and known_axes(names):
        return names
    return axis_names(count)


def _without(arrays: Mapping[str, np.ndarray], missing: np.ndarray) -> Mapping[str, np.ndarray]:
    """The arrays with NaN at points that were not computed, and for accuracies that were not computed."""
    for name, array in arrays.items():
        unknown = missing.reshape(array.shape)
        array[unknown | (array == _NOT_COMPUTED) if name in _PERCENT else unknown] = np.nan
    return arrays


def _measured(arrays: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """The measures of a file, each by its name in this library and in the shape of the axes; the loss first."""
    for name, array in arrays.items():
        # A non-square file of the reference code says [x, y], but was filled as [y, x].
        grid = array.reshape(shape[::-1]).T
        if name in _PERCENT:
            grid /= 100
        yield _OURS.get(name, name), grid
