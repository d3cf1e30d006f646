"""A path through the space that the axes of a landscape span, for example the path of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results.path_files import MEASURE, dataset, exported_path, table

if TYPE_CHECKING:
    import os

    from xarray import Dataset

__all__ = ["COLUMNS", "Trajectory"]


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """A path through the space that the axes span, for example the path of a training.

    A checkpoint with the weights w is not in the plane, and the loss of its projection differs from its own loss:

        w = theta + sum_k points[k] d_k + r,   r orthogonal to every d_k,   off_plane = |r|

    Args:
        name: The name of the path in a picture.
        points: Coordinates [n, axes], the first point first.
        steps: Steps of the training [n]. Default: unknown.
        off_plane: Distances [n] of the checkpoints from the plane, in units of the weights. Default: unknown.
        loss: The loss [n] of each checkpoint itself; NaN if it was not evaluated. Default: unknown.
        height: The loss [n] of the plane at the points; NaN if it was not evaluated. Default: unknown.
        measures: Further numbers that the training recorded, by name [n] each. Default: none.

    Raises:
        ValueError: When an argument has not one number per point.

    Example:
        >>> from fastscape.results import Trajectory
        >>> Trajectory("SGD", [[0.0, 1.0], [0.0, 0.5]], steps=[0, 10])
        Trajectory('SGD', 2 points, steps 0 to 10)
    """

    name: str
    points: Any  # an array, once it is made
    steps: Any = None
    off_plane: Any = None
    loss: Any = None
    height: Any = None
    measures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _frozen(self.points))
        for name in COLUMNS:
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, _frozen(given))
        measures = {name: _frozen(column) for name, column in self.measures.items()}
        object.__setattr__(self, "measures", MappingProxyType(measures))
        for name, column in self.columns.items():
            if column.shape != (len(self.points),):
                raise ValueError(
                    f"{name} of the path {self.name!r:.80} must have shape ({len(self.points)},), one number per "
                    f"point, got {column.shape}"
                )

    def __repr__(self) -> str:
        steps = "" if self.steps is None or not len(self.steps) else f", steps {self.steps[0]:g} to {self.steps[-1]:g}"
        return f"Trajectory({self.name!r}, {len(self.points)} points{steps})"

    def __len__(self) -> int:
        return len(self.points)

    def __reduce__(self) -> tuple[Any, ...]:
        own = [getattr(self, name) for name in COLUMNS]
        return type(self), (self.name, self.points, *own, dict(self.measures))

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The numbers of every point besides its coordinates, by name [n] each; "measure:" precedes measures."""
        own = {name: getattr(self, name) for name in COLUMNS}
        known = {name: column for name, column in own.items() if column is not None}
        return known | {f"{MEASURE}{name}": column for name, column in self.measures.items()}

    def as_plain(self) -> dict[str, Any]:
        """The path as plain values, for a report."""
        own = {name: getattr(self, name) for name in COLUMNS}
        found = {"name": str(self.name), "points": self.points.tolist()}
        found |= {name: column.tolist() for name, column in own.items() if column is not None}
        measures = {name: column.tolist() for name, column in self.measures.items()}
        return found | ({"measures": measures} if measures else {})

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Writes the path for other programs: .csv, or .h5 and .hdf5 with the names of the code of Li et al.

        A CSV has a row for each point, and the columns step, x, y, off_plane, loss, height and measures, if known.
        HDF5 has `proj_xcoord` and `proj_ycoord`, which `plot_2D.py` of that code reads as `proj_file`, the other
        columns, and a group of the measures. The landscape exported as .h5 is its `surf_file` and `dir_file`.

        Args:
            path: A file name with one of these endings. Missing folders are created.

        Returns:
            The file.

        Raises:
            ImportError: When h5py is not installed, for .h5 and .hdf5.
            OSError: When the file cannot be written; an older file stays as it was.
            ValueError: When the name has a different ending, or HDF5 cannot hold the name of a measure.

        Example:
            >>> import tempfile
            >>> from fastscape.results import Trajectory
            >>> path = Trajectory("SGD", [[0.0, 1.0], [0.0, 0.5]], steps=[0, 10], measures={"epoch": [0, 1]})
            >>> path.export(tempfile.mkdtemp() + "/path.csv").read_text().split()
            ['step,x,y,measure:epoch', '0.0,0.0,1.0,0.0', '10.0,0.0,0.5,1.0']
        """
        return exported_path(table(self.points, self.columns), self.name, Path(path))

    def to_xarray(self) -> Dataset:
        """The path as an `xarray.Dataset` over its points: the columns of `export`, the step as a coordinate.

        Returns:
            The dataset.

        Raises:
            ImportError: When xarray is not installed.
        """
        return dataset(table(self.points, self.columns), self.name)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any], axes: int) -> Trajectory:
        """The path that plain values describe.

        Args:
            plain: As `as_plain` gives it.
            axes: The number of axes.

        Returns:
            The path.
        """
        points = np.array(plain["points"], dtype=np.float64).reshape(-1, axes)
        known = {name: plain[name] for name in COLUMNS if plain.get(name) is not None}
        return cls(plain["name"], points, **known, measures=plain.get("measures", {}))


COLUMNS = ("steps", "off_plane", "loss", "height")
"""The possible columns of a path besides its coordinates and its measures."""


def _frozen(given: Any) -> np.ndarray:
    array = np.array(given, dtype=np.float64)
    array.setflags(write=False)
    return array
