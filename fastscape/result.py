"""The landscape: axes, values and the report of how they were made."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D
    from torch import nn
    from xarray import Dataset

    from fastscape.data import Data
    from fastscape.descent import Path as Walk

__all__ = ["Landscape", "check_path"]

_FORMAT = "fastscape-landscape"
_VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Landscape:
    """A loss landscape. Values are float64, exactly as they were computed: NaN and inf stay.

    Args:
        x: Coordinates [H] along the first direction.
        y: Coordinates [W] along the second direction; None on a line.
        loss: Loss [H, W]; `loss[i, j]` belongs to `x[i], y[j]`. On a line [H].
        metrics: Further measures by name, in the shape of the loss.
        report: How the values were made, as plain values that JSON can hold.
        standard_error: Standard error of the loss as a mean over samples, in the shape of the loss; None where the
            losses of single samples were not seen.
        evaluated: At which points the values were computed, in the shape of the loss; elsewhere they are predicted
            from those. Default: at all.

    Raises:
        ValueError: When an array has another shape than the axes say, or a metric is named "loss".

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> landscape = Landscape(x=np.array([-1.0, 0.0, 1.0]), y=np.array([0.0, 1.0]), loss=np.ones((3, 2)))
        >>> landscape.shape
        (3, 2)
    """

    x: np.ndarray
    y: np.ndarray | None
    loss: np.ndarray
    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    standard_error: np.ndarray | None = None
    evaluated: np.ndarray = None  # type: ignore[assignment]  # never, once it is made

    def __post_init__(self) -> None:
        if "loss" in self.metrics:
            raise ValueError("a metric is named 'loss', which is the name of the loss itself; give it another name")
        for name in ("x", "y", "loss", "standard_error"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _frozen(getattr(self, name)))
        object.__setattr__(self, "metrics", MappingProxyType({n: _frozen(a) for n, a in self.metrics.items()}))
        object.__setattr__(self, "report", MappingProxyType(dict(self.report)))
        mask = np.ones(self.shape, dtype=bool) if self.evaluated is None else np.array(self.evaluated, dtype=bool)
        mask.setflags(write=False)
        object.__setattr__(self, "evaluated", mask)
        extra = {"evaluated": mask}
        if self.standard_error is not None:
            extra["standard_error"] = self.standard_error
        for name, array in {**self.values, **extra}.items():
            if array.shape != self.shape:
                raise ValueError(f"{name} came with shape {array.shape}; wanted {self.shape}, the lengths of the axes")

    def __repr__(self) -> str:
        finite = self.loss[np.isfinite(self.loss)]
        span = f"{finite.min():.4g} to {finite.max():.4g}" if finite.size else "nowhere finite"
        metrics = f", metrics: {', '.join(self.metrics)}" if self.metrics else ""
        some = "" if self.evaluated.all() else f", {self.evaluated.sum()} of them evaluated"
        return f"Landscape({' x '.join(map(str, self.shape))} points{some}, loss {span}{metrics})"

    def __reduce__(self) -> tuple[Any, ...]:
        grids = self.loss, dict(self.metrics), dict(self.report), self.standard_error, self.evaluated
        return Landscape, (self.x, self.y, *grids)

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of grid points along x and y, or along x on a line."""
        return (len(self.x),) if self.y is None else (len(self.x), len(self.y))

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The loss, first, and the metrics, by name."""
        return {"loss": self.loss, **self.metrics}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the landscape to one file, without pickle.

        A failed save leaves an older file as it was. Missing folders are created.

        Args:
            path: A file name that ends in .npz.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has another ending.

        Example:
            >>> import numpy as np, tempfile
            >>> from fastscape import Landscape
            >>> made = Landscape(np.arange(3.0), None, np.ones(3))
            >>> Landscape.load(made.save(tempfile.mkdtemp() + "/line.npz"))
            Landscape(3 points, loss 1 to 1)
        """
        path = check_path(path)
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            "measures": list(self.values),
            "report": dict(self.report),
        }
        content = io.BytesIO()
        arrays: dict[str, Any] = {"x": self.x, "values": np.stack(list(self.values.values()))}
        if self.y is not None:
            arrays["y"] = self.y
        if self.standard_error is not None:
            arrays["standard_error"] = self.standard_error
        if not self.evaluated.all():
            arrays["evaluated"] = self.evaluated
        np.savez(content, header=np.array(json.dumps(header)), **arrays)
        write_whole(path, content.getvalue())
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Landscape:
        """Reads a landscape that `save` wrote, a store, or a file in CSV or in the HDF5 layout of Li et al.

        Nothing is executed.

        Args:
            path: The file: .npz, .csv, .h5 or .hdf5; or the folder of a store, which may still grow.

        Returns:
            The landscape, bit for bit; NaN where a store has no value yet, and "progress" in the report.

        Raises:
            OSError: When there is no such file, or it cannot be read.
            ValueError: When the file is damaged, or is no landscape.
            ImportError: When the package for the format is not installed.
        """
        if Path(path).is_dir():
            from fastscape.stored import loaded

            return cls(*loaded(Path(path)))
        if Path(path).suffix.lower() in (".csv", ".h5", ".hdf5"):
            from fastscape.interchange import imported

            return cls(*imported(Path(path)))
        content = io.BytesIO(Path(path).read_bytes())
        try:
            with np.load(content, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if header["format"] != _FORMAT or header["version"] != _VERSION:
                    raise ValueError(f"its header says {header['format']!r}, version {header['version']!r}")
                values = dict(zip(header["measures"], file["values"], strict=True))
                loss, error = values.pop("loss"), file.get("standard_error")
                return cls(file["x"], file.get("y"), loss, values, header["report"], error, file.get("evaluated"))
        except Exception as error:  # a damaged file can make the zip and number readers raise anything
            raise ValueError(
                f"{path} is no landscape that this version can read ({error}); give a .npz file that "
                "Landscape.save wrote"
            ) from error

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Writes the landscape for other programs: .csv, .h5 or .hdf5 (layout of Li et al.), .vts or .vtp (ParaView).

        A failed export leaves an older file as it was. HDF5 needs h5py and ParaView's formats need pyvista. What is
        written as .csv or .h5 can be loaded again; a .csv has no report.

        Args:
            path: A name with one of these endings.

        Returns:
            The path.

        Raises:
            ImportError: When the package for the format is not installed.
            OSError: When the file cannot be written.
            ValueError: When the name has another ending, a line is to become a surface, or a metric has the name of
                something else in the file.

        Example:
            >>> import numpy as np, tempfile
            >>> from fastscape import Landscape
            >>> made = Landscape(np.arange(3.0), None, np.ones(3))
            >>> made.export(tempfile.mkdtemp() + "/line.csv").read_text().split()
            ['x,loss', '0.0,1.0', '1.0,1.0', '2.0,1.0']
        """
        from fastscape.interchange import exported

        return exported(self, Path(path))

    def to_xarray(self) -> Dataset:
        """The landscape as an `xarray.Dataset`: measures over x and y, the report as JSON in its attributes.

        Returns:
            The dataset.

        Raises:
            ImportError: When xarray is not installed.
            ValueError: When a metric has the name of something else in the dataset.
        """
        from fastscape.interchange import to_xarray

        return to_xarray(self)

    def reproduce(self, model: nn.Module, data: Data, **options: Any) -> Landscape:
        """Computes the landscape again, from its report.

        The plan is the report's too. Values agree to rounding: those that a search for the fastest plan began with
        were computed by others.

        Args:
            model: The model that it is of.
            data: The samples that it was computed on, in the same order; where it needed only some of them, all.
            **options: What a report cannot hold, where it was used: `loss`, `metrics`, `objective`, `directions`,
                `scheme`, as for `fastscape.surface`; and `device` and `progress`.

        Returns:
            The landscape.

        Raises:
            TypeError: When an option is none of these.
            ValueError: When weights or data are others than those of the landscape, or something is missing.

        Example:
            >>> import torch, fastscape
            >>> model = torch.nn.Linear(4, 3)
            >>> data = torch.rand(10, 4), torch.arange(10) % 3
            >>> landscape = fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5))
            >>> bool((landscape.reproduce(model, data).loss == landscape.loss).all())
            True
        """
        from fastscape.reproduction import reproduced

        return Landscape(*reproduced(self, model, data, **options))

    def descend(self, start: Sequence[float], optimizer: Any = "nadam", steps: int = 30, **options: Any) -> Walk:
        """Walks an optimizer down the landscape. See `fastscape.descent.descend`, which takes the same options."""
        from fastscape import descent

        return descent.descend(self, start, optimizer, steps, **options)

    def plot(self, **options: Any) -> Axes:
        """Draws the values along a line. See `fastscape.figures.plot`, which takes the same options."""
        from fastscape import figures

        return figures.plot(self, **options)

    def contour(self, **options: Any) -> Axes:
        """Draws the contour map. See `fastscape.figures.contour`, which takes the same options."""
        from fastscape import figures

        return figures.contour(self, **options)

    def surface3d(self, **options: Any) -> Axes3D:
        """Draws the surface in three dimensions. See `fastscape.figures.surface3d`, which takes the same options."""
        from fastscape import figures

        return figures.surface3d(self, **options)

    def explore(self, path: str | os.PathLike[str], **options: Any) -> Path:
        """Writes an interactive page for the browser. See `fastscape.explorer.explore`, with the same options."""
        from fastscape import explorer

        return explorer.explore(self, path, **options)

    def _repr_html_(self) -> str | None:
        """How a notebook shows the landscape. See `fastscape.notebook.displayed`."""
        from fastscape import notebook

        return notebook.displayed(self)


def check_path(path: str | os.PathLike[str]) -> Path:
    """Refuses a name that a landscape cannot be saved under.

    Args:
        path: A file name that ends in .npz.

    Returns:
        The path.

    Raises:
        ValueError: When the name has another ending.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"a landscape cannot be saved as {path.name!r}; wanted a name that ends in .npz")
    return path


def _frozen(array: Any) -> np.ndarray:
    array = np.array(array, dtype=np.float64)
    array.setflags(write=False)
    return array
