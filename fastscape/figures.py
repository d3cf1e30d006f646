"""Pictures of a landscape, by matplotlib.

Log scale and clipping happen here and nowhere else: they change what is drawn, never the landscape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D

    from fastscape.result import Landscape

__all__ = ["contour", "heights", "plot", "surface3d"]

_X, _Y = "x (along direction 1)", "y (along direction 2)"


def heights(
    landscape: Landscape, metric: str = "loss", *, log: bool | None = None, clip: float | None = None
) -> tuple[np.ndarray, str]:
    """The heights that a picture draws, and their name.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.

    Returns:
        Heights in the shape of the landscape, and the label of their axis. Infinite values stand at the highest (or
        lowest) finite one, NaN stays NaN and is drawn as a hole; on a log scale 0 stands at the smallest positive
        value.

    Raises:
        ValueError: When the metric is unknown, no value is finite, or a log scale is asked for with negative values or
            a clip at or below 0.
    """
    if metric not in landscape.values:
        raise ValueError(f"metric={metric!r} is unknown; this landscape has {', '.join(landscape.values)}")
    z = landscape.values[metric].copy()
    finite = z[np.isfinite(z)]
    if not finite.size:
        raise ValueError(
            f"{metric} is finite at no point, so there is nothing to draw; try a smaller range of x and y"
        )
    z[z == np.inf] = finite.max()
    z[z == -np.inf] = finite.min()
    positive = finite[finite > 0]
    if log is None:
        log = metric == "loss" and finite.min() >= 0 and positive.size > 0
    if clip is not None and not clip > (0 if log else -np.inf):
        raise ValueError(f"clip={clip} came; on a log scale it must be above 0: choose a larger one, or log=False")
    if clip is not None:
        z = np.where(z > clip, clip, z)  # unlike np.minimum, it leaves NaN as it is without a warning
    if not log:
        return z, metric
    if finite.min() < 0 or not positive.size:
        raise ValueError(f"{metric} has values at or below 0, which have no logarithm; write log=False")
    return np.log10(np.where(z == 0, positive.min(), z)), f"log10 {metric}"


def contour(
    landscape: Landscape,
    *,
    ax: Axes | None = None,
    metric: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: int = 25,
    linewidth: float = 0.5,
    cmap: str = "viridis",
) -> Axes:
    """Draws a filled contour map with labelled axes, a colour bar, and a cross at every model that lies in the plane.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        ax: Where to draw; default: a new figure.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        levels: Number of levels, about: they lie at round values. Default 25.
        linewidth: Width of the contour lines in points; 0 for none. Default 0.5.
        cmap: Name of a matplotlib colour map. Default "viridis".

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When the landscape has fewer than 2 x 2 points, `levels` is below 1, or `heights` refuses its
            arguments.
    """
    x, y = _plane(landscape)
    if levels < 1:
        raise ValueError(f"levels={levels} came; wanted at least 1, for example 25")
    z, label = heights(landscape, metric, log=log, clip=clip)
    if ax is None:
        ax = _new_axes(layout="compressed")
    edges = _levels(z, levels)
    filled = ax.contourf(x, y, z.T, levels=edges, cmap=cmap)
    if linewidth > 0:
        ax.contour(
            landscape.x,
            landscape.y,
            z.T,
            levels=edges,
            colors="black",
            linewidths=linewidth,
            linestyles="solid",
            alpha=0.4,
        )
    ax.figure.colorbar(filled, ax=ax, label=label)
    marks = _marks(landscape)
    for name, (at_x, at_y) in marks.items():
        if x[0] <= at_x <= x[-1] and y[0] <= at_y <= y[-1]:
            ax.plot([at_x], [at_y], "+", color="white", markersize=12, markeredgewidth=2, label=name)
            if len(marks) > 1:
                ax.annotate(name, (at_x, at_y), (6, 6), textcoords="offset points", color="white")
    similar = 0.5 <= np.ptp(x) / np.ptp(y) <= 2
    ax.set(xlabel=_X, ylabel=_Y, aspect="equal" if similar else "auto")
    return ax


def surface3d(
    landscape: Landscape,
    *,
    ax: Axes3D | None = None,
    metric: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    cmap: str = "coolwarm",
    elevation: float = 40.0,
    azimuth: float = -60.0,
) -> Axes3D:
    """Draws the surface in three dimensions, with a colour bar and, where it is a grid point, a pin at the model.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        ax: Three-dimensional axes to draw on; default: a new figure.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        cmap: Name of a matplotlib colour map. Default "coolwarm".
        elevation: Height of the viewer, in degrees. Default 40.
        azimuth: Direction of the viewer, in degrees. Default -60.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When the landscape has fewer than 2 x 2 points, or `heights` refuses its arguments.
    """
    x, y = _plane(landscape)
    z, label = heights(landscape, metric, log=log, clip=clip)
    if ax is None:
        ax = _new_axes(layout="constrained", projection="3d")
    x_HW, y_HW = np.meshgrid(x, y, indexing="ij")
    # Every cell is drawn: matplotlib would thin the grid to 50 lines and cut off the minimum.
    every = {"rcount": z.shape[0], "ccount": z.shape[1]}
    surface = ax.plot_surface(x_HW, y_HW, z, cmap=cmap, vmin=np.nanmin(z), vmax=np.nanmax(z), linewidth=0, **every)
    ax.figure.colorbar(surface, ax=ax, label=label, shrink=0.6, pad=0.12)
    # Between grid points the height of the model is not known.
    if _marks(landscape).get("the model") == (0.0, 0.0) and 0.0 in x and 0.0 in y:
        i, j = x.tolist().index(0.0), y.tolist().index(0.0)
        # A pin shows where the model stands, also where the front of the surface hides its foot.
        ax.plot([0, 0], [0, 0], [z[i, j], np.nanmax(z)], "-", color="black", linewidth=1, zorder=10)
        ax.plot([0], [0], [z[i, j]], "o", color="black", markersize=4, zorder=10, label="the model")
        ax.computed_zorder = False  # otherwise the surface is drawn over the pin
    ax.set(xlabel=_X, ylabel=_Y, zlabel=label)
    for one in (ax.xaxis, ax.yaxis, ax.zaxis):
        one.set_major_locator(MaxNLocator(5))
        one.labelpad = 8
    ax.view_init(elevation, azimuth)
    return ax


def plot(
    landscape: Landscape,
    *,
    ax: Axes | None = None,
    metric: str = "loss",
    log: bool = False,
    clip: float | None = None,
    **style: Any,
) -> Axes:
    """Draws the values along a line, with a dotted line at every model that lies on it.

    Args:
        landscape: A landscape of one axis, at least 2 points.
        ax: Where to draw; default: a new figure.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default False.
        clip: Values above it are drawn at it. Default: none are.
        **style: Options of matplotlib's `Axes.plot`.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When the landscape is no line of at least 2 points, or `heights` refuses its arguments.
    """
    if landscape.y is not None or len(landscape.x) < 2:
        came = " x ".join(map(str, landscape.shape))
        raise ValueError(f"a landscape of {came} points is no line to plot; wanted one axis of at least 2 points")
    z, label = heights(landscape, metric, log=log, clip=clip)
    if ax is None:
        ax = _new_axes(layout="constrained")
    ax.plot(landscape.x, z, **style)
    for name, (at,) in _marks(landscape).items():
        if landscape.x[0] <= at <= landscape.x[-1]:
            ax.axvline(at, color="grey", linestyle=":", label=name)
            transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
            ax.text(at, 0.98, f" {name}", transform=transform, color="grey", va="top")
    ax.set(xlabel="x (along the direction)", ylabel=label)
    return ax


def _new_axes(layout: Literal["compressed", "constrained"], **subplot: Any) -> Any:
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(7.0, 5.5), layout=layout).add_subplot(**subplot)


def _levels(z: np.ndarray, count: int) -> np.ndarray:
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    margin = 0.0 if high > low else max(abs(low), 1.0) * 1e-3  # a constant surface lies between two levels
    return np.asarray(MaxNLocator(count).tick_values(low - margin, high + margin))


def _plane(landscape: Landscape) -> tuple[np.ndarray, np.ndarray]:
    """The two axes, each with at least two points."""
    if landscape.y is None or min(landscape.shape) < 2:
        came = " x ".join(map(str, landscape.shape))
        raise ValueError(
            f"a landscape of {came} points has no surface to draw; wanted at least 2 x 2 (a line is drawn by plot)"
        )
    return landscape.x, landscape.y


def _marks(landscape: Landscape) -> dict[str, tuple[float, ...]]:
    """Where models lie, by name; a landscape without a report has its model at the origin."""
    origin = {"the model": [0.0] * len(landscape.shape)}
    return {name: tuple(at) for name, at in landscape.report.get("marks", origin).items()}
