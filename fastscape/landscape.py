"""The `Landscape` class: plain values, with methods that each call another part of the package."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from fastscape import results, runs, views
from fastscape.model import Data
from fastscape.persistence import TopologyOptions, topology_of
from fastscape.reports import Topology
from fastscape.results import How, TopologyValues, Values, axis_names, check_values, clipped, documented
from fastscape.runs import ReproduceOptions
from fastscape.views import Walk

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D
    from torch import nn
    from typing_extensions import Unpack
    from xarray import Dataset

__all__ = ["Landscape"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Landscape(Values):
    """A loss landscape. Values are float64, exactly as computed: NaN and inf stay.

    For more than two axes use `fastscape.volume`, or `Landscape.of` for plain values; `axes` has all axes by name.

    Args:
        x: Coordinates [H] along the first direction.
        y: Coordinates [W] along the second direction; None on a line.
        loss: Loss [H, W]; `loss[i, j]` belongs to `x[i], y[j]`. On a line [H].
        metrics: Further measures by name, in the shape of the loss.
        report: How the values were made, as plain values that JSON can hold.
        standard_error: Standard error of the mean loss over samples, in the shape of the loss; None if the losses of
            single samples are unknown.
        evaluated: Mask of the points whose values were computed, in the shape of the loss; the values elsewhere are
            predicted from these. Default: all points.
        repeats: Loss and metrics of each repeat [R, H, W] by name, if random directions were drawn R times; the loss
            and the metrics are the means over the repeats. Default: directions were drawn once.

    Raises:
        ValueError: When the shape of an array does not match the axes, `x` is None, or a metric is named "loss".

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> landscape = Landscape(x=np.array([-1.0, 0.0, 1.0]), y=np.array([0.0, 1.0]), loss=np.ones((3, 2)))
        >>> landscape.shape
        (3, 2)
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        loss: Any,
        metrics: Mapping[str, Any] | None = None,
        report: Mapping[str, Any] | None = None,
        standard_error: Any = None,
        evaluated: Any = None,
        repeats: Mapping[str, Any] | None = None,
    ) -> None:
        metrics = metrics or {}
        if "loss" in metrics:
            raise ValueError("a metric is named 'loss', which is the name of the loss itself; give it another name")
        if x is None:
            raise ValueError("x must be the coordinates [H] along the first direction, got None")
        axes = {name: axis for name, axis in zip(axis_names(2), (x, y), strict=True) if axis is not None}
        super().__init__(axes, {"loss": loss, **metrics}, report or {}, standard_error, evaluated, repeats or {})

    @classmethod
    def of(cls, values: Values) -> Landscape:
        """Makes a landscape from plain values: axes, measures and report."""
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # arrays are frozen, so shared
        return made

    @property
    def x(self) -> np.ndarray:
        """Coordinates [H] along the first direction; None for a slice without an axis x."""
        return cast("np.ndarray", self.axes.get("x"))

    @property
    def y(self) -> np.ndarray | None:
        """Coordinates [W] along the second direction; None on a line."""
        return self.axes.get("y")

    @property
    def z(self) -> np.ndarray | None:
        """Coordinates [D] along the third of three directions; else None. `axes` has all axes by name."""
        return self.axes.get("z")

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The loss and then the metrics, by name."""
        return dict(self.measures)

    def slice(self, **at: float) -> Landscape:
        """The landscape at fixed coordinates of some axes, as in `slice(z=0.0)`. See `fastscape.results.slice_of`."""
        return results.slice_of(self, at)

    def project(self, *along: str, how: How = "min") -> Landscape:
        """The smallest loss, or the mean, along axes. See `fastscape.results.projection_of`."""
        return results.projection_of(self, along, how)

    def gradient(self) -> np.ndarray:
        """The gradient of the loss along the axes [H, W, 2]. See `fastscape.results.gradient`."""
        return results.gradient(self)

    def hessian(self) -> np.ndarray:
        """The Hessian of the loss along the axes [H, W, 2, 2]. See `fastscape.results.hessian`."""
        return results.hessian(self)

    def hessian_eigenvalues(self) -> np.ndarray:
        """The eigenvalues of this Hessian [H, W, 2]. See `fastscape.results.hessian_eigenvalues`."""
        return results.hessian_eigenvalues(self)

    def mean_curvature(self) -> np.ndarray:
        """The mean curvature of the graph of the loss [H, W]. See `fastscape.results.mean_curvature`."""
        return results.mean_curvature(self)

    def gaussian_curvature(self) -> np.ndarray:
        """The Gaussian curvature of the graph of the loss [H, W]. See `fastscape.results.gaussian_curvature`."""
        return results.gaussian_curvature(self)

    def with_curvature(self) -> Landscape:
        """The landscape with all these derivatives as measures. See `fastscape.results.with_curvature`."""
        return results.with_curvature(self)

    def binomial_error(self, metric: str = "accuracy") -> np.ndarray:
        """The standard error [H, W] of a fraction of the samples. See `fastscape.results.binomial_error`."""
        return results.binomial_error(self, metric)

    def wilson_interval(self, metric: str = "accuracy", confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The ends [H, W] of the interval of a fraction of the samples. See `fastscape.results.wilson_interval`."""
        return results.wilson_interval(self, metric, confidence)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Saves the landscape to one file, without pickle.

        A failed save leaves an older file unchanged. Missing folders are created.

        Args:
            path: A file name that ends in .npz.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has a different ending, or the file could not be read again: an axis has a
                coordinate twice or one that is not finite, or marks or labels are of kinds that no run gives.

        Example:
            >>> import numpy as np, tempfile
            >>> from fastscape import Landscape
            >>> made = Landscape(np.arange(3.0), None, np.ones(3))
            >>> Landscape.load(made.save(tempfile.mkdtemp() + "/line.npz"))
            Landscape(3 points, loss 1 to 1)
        """
        return results.saved(self, Path(path))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Landscape:
        """Loads a landscape from a file of `save`, a store, a CSV file, or an HDF5 file in the layout of Li et al.

        Nothing in the file is executed, and declared sizes are compared with the file before memory is taken. HDF5
        files are read in a separate process, because some damaged files crash the HDF5 library.

        Args:
            path: The file: .npz, .csv, .h5 or .hdf5; or the folder of a store, which may still be in use.

        Returns:
            The landscape, bit for bit; NaN where a store has no value yet, and "progress" in the report.

        Raises:
            OSError: When there is no such file, or it cannot be read.
            ValueError: When the file is damaged, or is no landscape; it names the file.
            ImportError: When the package for the format is not installed.
        """
        path = Path(path)
        values = runs.read_store(path) if path.is_dir() else results.loaded(path)
        try:
            check_values(values, named=True)
        except ValueError as error:
            raise ValueError(f"{path} holds no landscape ({clipped(error)}); give one that was saved") from error
        return cls.of(values)

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Writes the landscape for other programs: .csv, .h5 or .hdf5 (layout of Li et al.), or files of ParaView.

        The formats of ParaView are .vts or .vtp for a plane, and for three axes .vti or, if the points are not evenly
        spaced, .vtr. A failed export leaves an older file unchanged. HDF5 needs h5py and ParaView's formats need
        pyvista. `load` reads .csv and .h5 files again; a .csv has no report. Paths go to separate files, which
        `landscape.paths[0].export` writes.

        Args:
            path: A name with one of these endings.

        Returns:
            The path.

        Raises:
            ImportError: When the package for the format is not installed.
            OSError: When the file cannot be written.
            ValueError: When the name has a different ending, the format needs a plane and the landscape is a line, a
                metric has a name that the file uses otherwise, or `save` would refuse the landscape.

        Example:
            >>> import numpy as np, tempfile
            >>> from fastscape import Landscape
            >>> made = Landscape(np.arange(3.0), None, np.ones(3))
            >>> made.export(tempfile.mkdtemp() + "/line.csv").read_text().split()
            ['x,loss', '0.0,1.0', '1.0,1.0', '2.0,1.0']
        """
        return results.exported(self, Path(path))

    def to_xarray(self) -> Dataset:
        """The landscape as an `xarray.Dataset`: measures over the axes, the report as JSON in its attributes.

        Returns:
            The dataset.

        Raises:
            ImportError: When xarray is not installed.
            ValueError: When a metric has a name that the dataset uses otherwise.
        """
        return results.to_xarray(self)

    @documented(ReproduceOptions, again=True)
    def reproduce(self, model: nn.Module, data: Data, **given: Unpack[ReproduceOptions]) -> Landscape:
        """Computes the landscape again from its report.

        The run uses the plan in the report. Values agree to rounding, because points evaluated during the original
        plan search used other plans.

        Args:
            model: The model of the landscape.
            data: The samples of the landscape, in the same order; all of them, even if the run used only some.
            **given: Options that a report cannot hold, if the run used them.

        Returns:
            The landscape.

        Raises:
            TypeError: When there is no such option.
            ValueError: When weights or data differ from the run of the landscape; when two points have different
                values, because the loss, a metric, the objective or the code of the model differs; or when something
                is missing.

        Example:
            >>> import torch, fastscape
            >>> model = torch.nn.Linear(4, 3)
            >>> data = torch.rand(10, 4), torch.arange(10) % 3
            >>> landscape = fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5))
            >>> bool((landscape.reproduce(model, data).loss == landscape.loss).all())
            True
        """
        return Landscape.of(runs.reproduced(self, model, data, **given))

    @documented(TopologyOptions)
    def topology(self, **given: Unpack[TopologyOptions]) -> Topology:
        """The basins of the landscape, their depths and how they merge. See `fastscape.topology`.

        Args:
            **given: The options.

        Returns:
            The topology.
        """
        return Topology.of(topology_of(self, given))

    def descend(self, start: Sequence[float], optimizer: Any = "nadam", steps: int = 30, **options: Any) -> Walk:
        """Walks an optimizer down the landscape. See `fastscape.views.descend`, which takes the same options."""
        return views.descend(self, start, optimizer, steps, **options)

    def plot(self, **options: Any) -> Any:
        """Draws the landscape: a line as a curve, a plane as a contour map, more axes as one map per pair of axes.

        Args:
            **options: The options of `fastscape.views.plot`, `fastscape.views.contour` or `fastscape.views.sections`.

        Returns:
            The matplotlib axes of the picture; for more than two axes a list with the axes of every panel.
        """
        return (views.plot, views.contour, views.sections)[min(len(self.axes), 3) - 1](self, **options)

    def contour(self, **options: Any) -> Axes:
        """Draws the contour map, of a line its curve. See `fastscape.views.contour`, which takes the same options."""
        return views.plot(self, **options) if len(self.axes) == 1 else views.contour(self, **options)

    def surface3d(self, **options: Any) -> Axes3D:
        """Draws the surface in three dimensions. See `fastscape.views.surface3d`, which takes the same options."""
        return views.surface3d(self, **options)

    def to_html(self, path: str | os.PathLike[str], *, basins: bool | TopologyValues = False, **options: Any) -> Path:
        """Writes a page for the browser, with `basins=True` or a topology also the basins. See `fastscape.to_html`."""
        topology = self.topology() if basins is True else basins or None
        return views.to_html(self, path, topology=topology, **options)

    def explore(self, *, basins: bool | TopologyValues = False, **options: Any) -> views.PageInNotebook:
        """The page of `to_html` inside a notebook, in a frame of `height` pixels. See `fastscape.to_html`."""
        topology = self.topology() if basins is True else basins or None
        return views.PageInNotebook.of(self, topology=topology, **options)

    def caption(self, metric: str = "loss", *, log: bool | None = None) -> str:
        """The caption that a picture needs, in two to four sentences. See `fastscape.views.caption`."""
        return views.caption(self, metric, log=log)

    def _repr_html_(self) -> str | None:
        """How a notebook shows the landscape. See `fastscape.views.displayed`."""
        return views.displayed(self)
