"""The landscape: plain values, with convenience methods that each lead into one wing of the house."""

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
    """A loss landscape. Values are float64, exactly as they were computed: NaN and inf stay.

    Of more axes than two `fastscape.volume` makes them, and `Landscape.of` of plain values; `axes` has all by name.

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
        repeats: Where random directions were drawn several times, loss and metrics along each of them [R, H, W] by
            name; loss and metrics are the means over them then. Default: they were drawn once.

    Raises:
        ValueError: When an array has another shape than the axes say, `x` is None, or a metric is named "loss".

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
        """The landscape of plain values: of axes, measures and report."""
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # arrays are frozen, so shared
        return made

    @property
    def x(self) -> np.ndarray:
        """Coordinates [H] along the first direction; of a slice that has no axis x None."""
        return cast("np.ndarray", self.axes.get("x"))

    @property
    def y(self) -> np.ndarray | None:
        """Coordinates [W] along the second direction; None on a line."""
        return self.axes.get("y")

    @property
    def z(self) -> np.ndarray | None:
        """Coordinates [D] along the third direction of three; else None, as `axes` has all by name."""
        return self.axes.get("z")

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The loss, first, and the metrics, by name."""
        return dict(self.measures)

    def slice(self, **at: float) -> Landscape:
        """The landscape of fewer axes at coordinates, as in `slice(z=0.0)`. See `fastscape.results.slice_of`."""
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
        """The eigenvalues of that Hessian [H, W, 2]. See `fastscape.results.hessian_eigenvalues`."""
        return results.hessian_eigenvalues(self)

    def mean_curvature(self) -> np.ndarray:
        """The mean curvature of the graph of the loss [H, W]. See `fastscape.results.mean_curvature`."""
        return results.mean_curvature(self)

    def gaussian_curvature(self) -> np.ndarray:
        """The Gaussian curvature of the graph of the loss [H, W]. See `fastscape.results.gaussian_curvature`."""
        return results.gaussian_curvature(self)

    def with_curvature(self) -> Landscape:
        """The landscape with all of these as measures to draw. See `fastscape.results.with_curvature`."""
        return results.with_curvature(self)

    def binomial_error(self, metric: str = "accuracy") -> np.ndarray:
        """The standard error [H, W] of a share of samples. See `fastscape.results.binomial_error`."""
        return results.binomial_error(self, metric)

    def wilson_interval(self, metric: str = "accuracy", confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """The ends [H, W] of the interval for a share of samples. See `fastscape.results.wilson_interval`."""
        return results.wilson_interval(self, metric, confidence)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the landscape to one file, without pickle.

        A failed save leaves an older file as it was. Missing folders are created.

        Args:
            path: A file name that ends in .npz.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has another ending, or what it would hold could not be read again: an axis with
                a coordinate twice or one that is not finite, marks or labels of other kinds than a run gives.

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
        """Reads a landscape that `save` wrote, a store, or a file in CSV or in the HDF5 layout of Li et al.

        Nothing is executed, and no more memory is taken than the values need: what a file declares is compared with
        what it holds. HDF5, which some damaged files end, reads in a process of its own.

        Args:
            path: The file: .npz, .csv, .h5 or .hdf5; or the folder of a store, which may still grow.

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

        ParaView reads .vts or .vtp of a plane, and of three axes .vti or, where they are not evenly spread, .vtr. A
        failed export leaves an older file as it was. HDF5 needs h5py and ParaView's formats need pyvista. What is
        written as .csv or .h5 can be loaded again; a .csv has no report. Paths have files of their own, which
        `landscape.paths[0].export` writes.

        Args:
            path: A name with one of these endings.

        Returns:
            The path.

        Raises:
            ImportError: When the package for the format is not installed.
            OSError: When the file cannot be written.
            ValueError: When the name has another ending, a line is to become a surface, a metric has the name of
                something else in the file, or `save` would refuse the landscape.

        Example:
            >>> import numpy as np, tempfile
            >>> from fastscape import Landscape
            >>> made = Landscape(np.arange(3.0), None, np.ones(3))
            >>> made.export(tempfile.mkdtemp() + "/line.csv").read_text().split()
            ['x,loss', '0.0,1.0', '1.0,1.0', '2.0,1.0']
        """
        return results.exported(self, Path(path))

    def to_xarray(self) -> Dataset:
        """The landscape as an `xarray.Dataset`: measures over x and y, the report as JSON in its attributes.

        Returns:
            The dataset.

        Raises:
            ImportError: When xarray is not installed.
            ValueError: When a metric has the name of something else in the dataset.
        """
        return results.to_xarray(self)

    @documented(ReproduceOptions, again=True)
    def reproduce(self, model: nn.Module, data: Data, **given: Unpack[ReproduceOptions]) -> Landscape:
        """Computes the landscape again, from its report.

        The plan is the report's too. Values agree to rounding, because points that were evaluated while the plan was
        looked for followed other plans.

        Args:
            model: The model that it is of.
            data: The samples that it was computed on, in the same order; where it needed only some of them, all.
            **given: What a report cannot hold, where it was used.

        Returns:
            The landscape.

        Raises:
            TypeError: When an option is none of these.
            ValueError: When weights or data are others than those of the landscape, when two points have other values
                than there, because the loss, a metric, the objective or the code of the model is another, or when
                something is missing.

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
        """Which basins the landscape has, how deep they are and how they merge. See `fastscape.topology`.

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
        """Draws the landscape: a line as a curve, a plane as a contour map, more axes as maps of each pair of them.

        Args:
            **options: Those of `fastscape.views.plot`, `fastscape.views.contour` or `fastscape.views.sections`.

        Returns:
            The matplotlib axes that were drawn on; of more than two axes a list, those of every panel.
        """
        return (views.plot, views.contour, views.sections)[min(len(self.axes), 3) - 1](self, **options)

    def contour(self, **options: Any) -> Axes:
        """Draws the contour map, of a line its curve. See `fastscape.views.contour`, which takes the same options."""
        return views.plot(self, **options) if len(self.axes) == 1 else views.contour(self, **options)

    def surface3d(self, **options: Any) -> Axes3D:
        """Draws the surface in three dimensions. See `fastscape.views.surface3d`, which takes the same options."""
        return views.surface3d(self, **options)

    def to_html(self, path: str | os.PathLike[str], *, basins: bool | TopologyValues = False, **options: Any) -> Path:
        """Writes a page for the browser, with `basins=True` or a topology also basins. See `fastscape.to_html`."""
        topology = self.topology() if basins is True else basins or None
        return views.to_html(self, path, topology=topology, **options)

    def explore(self, *, basins: bool | TopologyValues = False, **options: Any) -> views.PageInNotebook:
        """The page of `to_html` inside a notebook, in a frame of `height` pixels. See `fastscape.to_html`."""
        topology = self.topology() if basins is True else basins or None
        return views.PageInNotebook.of(self, topology=topology, **options)

    def caption(self, metric: str = "loss", *, log: bool | None = None) -> str:
        """What must be said under a picture, in two to four sentences. See `fastscape.views.caption`."""
        return views.caption(self, metric, log=log)

    def _repr_html_(self) -> str | None:
        """How a notebook shows the landscape. See `fastscape.views.displayed`."""
        return views.displayed(self)
