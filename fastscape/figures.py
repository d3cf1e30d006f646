"""Pictures of a landscape, by matplotlib.

Every function takes and returns axes, works without a display, and leaves matplotlib's settings as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from fastscape.heights import heights
from fastscape.smooth import Smooth
from fastscape.wording import refinement_said

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D

    from fastscape.descent import Path
    from fastscape.result import Landscape

__all__ = ["contour", "plot", "surface3d"]

FLOOR = 0.4  # the distance of the contours below a surface, as a fraction of its height
NOTE_WIDTH = 84  # letters of a line below a picture, which is as wide as a contour map

_X, _Y = "x (along direction 1)", "y (along direction 2)"


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
    filled: bool = True,
    labels: bool = False,
    paths: Sequence[Path] = (),
    scale: tuple[float, float] | None = None,
    colorbar: bool = True,
    points: bool = False,
) -> Axes:
    """Draws a contour map with labelled axes, a colour bar, and a cross at every model that lies in the plane.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        ax: Where to draw; default: a new figure.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        levels: Number of levels, about: they lie at round values. Default 25.
        linewidth: Width of the contour lines in points; 0 for none, which wants `filled`. Default 0.5.
        cmap: Name of a matplotlib colour map. Default "viridis".
        filled: Whether the areas between the lines are filled, or the lines coloured. Default True.
        labels: Whether the lines are labelled with their values. Default False.
        paths: Walks of optimizers to draw, as `Landscape.descend` returns them. Default: none.
        scale: The lowest and the highest height that get a colour of their own. Default: those of the landscape.
        colorbar: Whether to draw the colour bar. Default True.
        points: Whether to draw a dot at every point that was evaluated, if others were predicted. Default False.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When the landscape has fewer than 2 x 2 points, `levels` is below 1, or `heights` refuses its
            arguments; when there is nothing to draw because `filled` is off and `linewidth` 0.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> contour(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), levels=8).get_xlabel()
        'x (along direction 1)'
    """
    x, y = _plane(landscape)
    if levels < 1:
        raise ValueError(f"levels={levels} came; wanted at least 1, for example 25")
    if not filled and not linewidth > 0:
        raise ValueError(f"filled=False came with linewidth={linewidth}, which draws nothing; write linewidth=1")
    z, label = heights(landscape, metric, log=log, clip=clip)
    if ax is None:
        ax = _new_axes(layout="compressed")
    edges = _levels(z if scale is None else np.array(scale), levels)
    extend = "neither" if scale is None else "both"
    coloured: Any = ax.contourf(x, y, z.T, levels=edges, cmap=cmap, extend=extend) if filled else None
    if linewidth > 0:
        style: dict[str, Any] = {"linewidths": linewidth, "linestyles": "solid"}
        style |= {"colors": "black", "alpha": 0.4} if filled else {"cmap": cmap}
        lines = ax.contour(x, y, z.T, levels=edges, **style)
        coloured = coloured or lines
        if labels:
            for text in ax.clabel(lines, fontsize=7, colors="black"):
                text.set(alpha=1, path_effects=[withStroke(linewidth=2, foreground="white")])
    if colorbar:
        ax.figure.colorbar(coloured, ax=ax, label=label)
    if points and not landscape.evaluated.all():
        rows, columns = landscape.evaluated.nonzero()
        ax.plot(x[rows], y[columns], ".", color="black", markersize=1.5, alpha=0.7, label="evaluated")
    for path in paths:
        _draw(path, ax, path.x, path.y)
    marks = _marks(landscape)
    for name, (at_x, at_y) in marks.items():
        if x[0] <= at_x <= x[-1] and y[0] <= at_y <= y[-1]:
            ax.plot([at_x], [at_y], "+", color="white", markersize=12, markeredgewidth=2, label=name)
            if len(marks) > 1:
                ax.annotate(name, (at_x, at_y), (6, 6), textcoords="offset points", color="white")
    similar = 0.5 <= np.ptp(x) / np.ptp(y) <= 2
    ax.set(xlabel=_X, ylabel=_Y, aspect="equal" if similar else "auto")
    _note(landscape, [metric], ax.text, ax.transAxes)
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
    floor: bool = True,
    paths: Sequence[Path] = (),
    scale: tuple[float, float] | None = None,
    colorbar: bool = True,
) -> Axes3D:
    """Draws the surface in three dimensions above its contours, with a pin at the model where that is a grid point.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        ax: Three-dimensional axes to draw on; default: a new figure.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        cmap: Name of a matplotlib colour map. Default "coolwarm".
        elevation: Height of the viewer, in degrees. Default 40.
        azimuth: Direction of the viewer, in degrees. Default -60.
        floor: Whether contours are drawn below the surface. Default True.
        paths: Walks of optimizers to draw on the surface, as `Landscape.descend` returns them. Default: none.
        scale: The lowest and the highest height of the axis and of the colours. Default: those of the landscape.
        colorbar: Whether to draw the colour bar. Default True.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When the landscape has fewer than 2 x 2 points, or `heights` refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> surface3d(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), elevation=60).elev
        60
    """
    x, y = _plane(landscape)
    z, label = heights(landscape, metric, log=log, clip=clip)
    if ax is None:
        ax = _new_axes(layout="constrained", projection="3d")
        ax.set_box_aspect(None, zoom=0.95)  # the layout knows nothing of labels in three dimensions
    x_HW, y_HW = np.meshgrid(x, y, indexing="ij")
    # Every cell is drawn: matplotlib would thin the grid to 50 lines and cut off the minimum.
    every = {"rcount": z.shape[0], "ccount": z.shape[1]}
    low, high = (float(np.nanmin(z)), float(np.nanmax(z))) if scale is None else scale
    surface = ax.plot_surface(x_HW, y_HW, z, cmap=cmap, vmin=low, vmax=high, linewidth=0, **every)
    if colorbar:
        ax.figure.colorbar(surface, ax=ax, label=label, shrink=0.6, pad=0.12)
    height = (high - low) or 1.0
    ax.set_zlim(low - FLOOR * height if floor else low, low + height)
    if floor:
        below: dict[str, Any] = {"offset": ax.get_zlim()[0], "linewidths": 1, "zorder": 0}
        ax.contour(x, y, z.T, levels=_levels(np.array([low, high]), 15), cmap=cmap, vmin=low, vmax=high, **below)
    for path in paths:
        smooth = Smooth(x, y, z)  # at the heights of this picture, whatever the path was walked on
        on_surface = [smooth.at(*at)[0] for at in zip(path.x.tolist(), path.y.tolist(), strict=True)]
        _draw(path, ax, path.x, path.y, on_surface)
    # Between grid points the height of the model is not known.
    if _marks(landscape).get("the model") == (0.0, 0.0) and 0.0 in x and 0.0 in y:
        i, j = x.tolist().index(0.0), y.tolist().index(0.0)
        # A pin shows where the model stands, also where the front of the surface hides its foot.
        ax.plot([0, 0], [0, 0], [z[i, j], low + height], "-", color="black", linewidth=1, zorder=10)
        ax.plot([0], [0], [z[i, j]], "o", color="black", markersize=4, zorder=10, label="the model")
    ax.computed_zorder = False  # otherwise the surface is drawn over the pin and the paths
    _note(landscape, [metric], ax.text2D, ax.transAxes, below=True)
    # The colour bar says what the heights are; on the left side of the scene, a label would be cut off.
    ax.set(xlabel=_X, ylabel=_Y, zlabel="" if colorbar else label)
    for one in (ax.xaxis, ax.yaxis, ax.zaxis):
        one.set_major_locator(MaxNLocator(5))
        one.labelpad = 8
    ax.view_init(elevation, azimuth)
    return ax


def plot(
    landscape: Landscape,
    *,
    ax: Axes | None = None,
    metric: str | Sequence[str] = "loss",
    log: bool = False,
    clip: float | None = None,
    **style: Any,
) -> Axes:
    """Draws the values along a line, with a dotted line at every model that lies on it.

    Args:
        landscape: A landscape of one axis, at least 2 points.
        ax: Where to draw; default: a new figure.
        metric: "loss" or the name of a metric; or several names, of which the first belongs to the left axis and the
            others, dashed, to one on the right. Default "loss".
        log: Whether to draw log10 of the first one's values. Default False.
        clip: Values of the first one above it are drawn at it. Default: none are.
        **style: Options of matplotlib's `Axes.plot`, for the first one.

    Returns:
        The axes that were drawn on, the left ones.

    Raises:
        ValueError: When the landscape is no line of at least 2 points, no metric is named or one twice, or `heights`
            refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> plot(Landscape(np.arange(3.0), None, np.array([2.0, 1.0, 3.0])), log=True).get_ylabel()
        'log10 loss'
    """
    if landscape.y is not None or len(landscape.x) < 2:
        came = " x ".join(map(str, landscape.shape))
        raise ValueError(f"a landscape of {came} points is no line to plot; wanted one axis of at least 2 points")
    first, *others = [metric] if isinstance(metric, str) else metric or [""]
    if not first or len({first, *others}) <= len(others):
        raise ValueError(f"metric={metric!r} came; wanted names, each once, for example ['loss', 'accuracy']")
    z, label = heights(landscape, first, log=log, clip=clip)
    right = {name: heights(landscape, name, log=False)[0] for name in others}
    if ax is None:
        ax = _new_axes(layout="constrained")
    lines = ax.plot(landscape.x, z, **{"label": label, **style})
    if right:
        beside = ax.twinx()
        for k, (name, values) in enumerate(right.items(), start=1):
            lines += beside.plot(landscape.x, values, "--", color=f"C{k}", label=name)
        beside.set_ylabel(", ".join(right))
        ax.legend(handles=lines)
    for name, (at,) in _marks(landscape).items():
        if landscape.x[0] <= at <= landscape.x[-1]:
            ax.axvline(at, color="grey", linestyle=":", label=name)
            transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
            ax.text(at, 0.98, f" {name}", transform=transform, color="grey", va="top")
    ax.set(xlabel="x (along the direction)", ylabel=label)
    _note(landscape, [first, *others], ax.text, ax.transAxes)
    return ax


def _new_axes(layout: Literal["compressed", "constrained"], **subplot: Any) -> Any:
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(7.0, 5.5), layout=layout).add_subplot(**subplot)


def _draw(path: Path, ax: Any, *coordinates: Any) -> None:
    """A path as a line with a dot at every step, in two or three dimensions."""
    (line,) = ax.plot(*coordinates, ".-", color="white", linewidth=1.5, markersize=5, zorder=11, label=path.optimizer)
    line.set_path_effects([withStroke(linewidth=3.5, foreground="black")])


def _note(
    landscape: Landscape, metrics: Sequence[str], write: Callable[..., Any], transform: Any, *, below: bool = False
) -> None:
    """Says how many points have no value to draw, and how many values are predicted.

    In three dimensions the layout leaves no room below the axes, so that the note stands on the edge of the picture.
    """
    said = [fill(sentence, NOTE_WIDTH) for metric in metrics if (sentence := refinement_said(landscape, metric))]
    for metric in metrics:
        values = landscape.values[metric]
        missing = {
            "no value (left out)": np.isnan(values).sum(),
            "an infinite value (drawn at the largest or smallest)": np.isinf(values).sum(),
        }
        of = f", of {metric}" if len(metrics) > 1 else ""
        said += [f"{count} of {values.size} points have {what}{of}" for what, count in missing.items() if count]
    if said:
        height, edge = (-0.165, "bottom") if below else (-0.14, "top")
        write(0.0, height, "\n".join(said), transform=transform, fontsize=7, va=edge)


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
