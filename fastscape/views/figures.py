"""Pictures of a landscape, by matplotlib.

Every function takes and returns axes, works without a display, and leaves matplotlib's settings as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from fastscape.results import Trajectory, Values, documented, heights, with_defaults
from fastscape.views.captions import refinement_said
from fastscape.views.options import ContourOptions, Surface3dOptions
from fastscape.views.plane import plane_of
from fastscape.views.smooth import Smooth
from fastscape.views.walks import Walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D
    from typing_extensions import Unpack

__all__ = ["contour", "plot", "surface3d"]

FLOOR = 0.4  # the distance of the contours below a surface, as a fraction of its height
LABEL_WIDTH = 28  # letters of an axis label in three dimensions, where the layout leaves no room
NOTE_WIDTH = 84  # letters of a line below a picture, which is as wide as a contour map


@documented(ContourOptions)
def contour(landscape: Values, **given: Unpack[ContourOptions]) -> Axes:
    """Draws a contour map with labelled axes, a colour bar, and a cross at every model that lies in the plane.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `ContourOptions` says.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, `levels` is below 1, or `heights` refuses its
            arguments; when there is nothing to draw because `filled` is off and `linewidth` 0.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> contour(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), levels=8).get_xlabel()
        'x (along direction 1)'
    """
    options = with_defaults(ContourOptions, given, "contour")
    x, y = plane_of(landscape, "draw")
    if options["levels"] < 1:
        raise ValueError(f"levels={options['levels']} came; wanted at least 1, for example 25")
    if not options["filled"] and not options["linewidth"] > 0:
        raise ValueError(
            f"filled=False came with linewidth={options['linewidth']}, which draws nothing; write linewidth=1"
        )
    z, label = heights(landscape, options["metric"], log=options["log"], clip=options["clip"])
    scale = options["scale"]
    edges = _levels(z if scale is None else np.array(scale), options["levels"])
    ax = cast(Any, options["ax"]) or _new_axes(layout="compressed")
    coloured = _map(ax, (x, y, z), edges, options)
    if options["colorbar"]:
        ax.figure.colorbar(coloured, ax=ax, label=label)
    if options["points"] and not landscape.evaluated.all():
        rows, columns = landscape.evaluated.nonzero()
        ax.plot(x[rows], y[columns], ".", color="black", markersize=1.5, alpha=0.7, label="evaluated")
    limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
    for path in (*landscape.paths, *options["paths"]):
        _draw(path, ax, *path.points.T)
    if landscape.paths:  # unlike a walk, one that was brought along may leave the grid
        ax.set(**limits)
    marks = landscape.marks
    for name, (at_x, at_y) in marks.items():
        if x[0] <= at_x <= x[-1] and y[0] <= at_y <= y[-1]:
            ax.plot([at_x], [at_y], "+", color="white", markersize=12, markeredgewidth=2, label=name)
            if len(marks) > 1:
                ax.annotate(name, (at_x, at_y), (6, 6), textcoords="offset points", color="white")
    similar = 0.5 <= np.ptp(x) / np.ptp(y) <= 2
    xlabel, ylabel = _axis_labels(landscape)
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if similar else "auto")
    _note(landscape, [options["metric"]], ax.text, ax.transAxes)
    return ax


def _map(ax: Any, grid: tuple[np.ndarray, np.ndarray, np.ndarray], edges: np.ndarray, options: ContourOptions) -> Any:
    """Draws areas and lines; what is returned has the colours."""
    x, y, z = grid
    filled, linewidth, cmap = options["filled"], options["linewidth"], options["cmap"] or "viridis"
    extend = "neither" if options["scale"] is None else "both"
    coloured = ax.contourf(x, y, z.T, levels=edges, cmap=cmap, extend=extend) if filled else None
    if linewidth > 0:
        style: dict[str, Any] = {"linewidths": linewidth, "linestyles": "solid"}
        style |= {"colors": "black", "alpha": 0.4} if filled else {"cmap": cmap}
        lines = ax.contour(x, y, z.T, levels=edges, **style)
        coloured = coloured or lines
        if options["labels"]:
            for text in ax.clabel(lines, fontsize=7, colors="black"):
                text.set(alpha=1, path_effects=_outlined(2, "white"))
    return coloured


@documented(Surface3dOptions)
def surface3d(landscape: Values, **given: Unpack[Surface3dOptions]) -> Axes3D:
    """Draws the surface in three dimensions above its contours, with a pin at the model where that is a grid point.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `Surface3dOptions` says; `ax` are three-dimensional axes.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, or `heights` refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> surface3d(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), elevation=60).elev
        60
    """
    from matplotlib.ticker import MaxNLocator

    options = with_defaults(Surface3dOptions, given, "surface3d")
    x, y = plane_of(landscape, "draw")
    z, label = heights(landscape, options["metric"], log=options["log"], clip=options["clip"])
    cmap, scale = options["cmap"] or "coolwarm", options["scale"]
    ax: Any = options["ax"]
    if ax is None:
        ax = _new_axes(layout="constrained", projection="3d")
        ax.set_box_aspect(None, zoom=0.95)  # the layout knows nothing of labels in three dimensions
    x_HW, y_HW = np.meshgrid(x, y, indexing="ij")
    # Every cell is drawn: matplotlib would thin the grid to 50 lines and cut off the minimum.
    every = {"rcount": z.shape[0], "ccount": z.shape[1]}
    low, high = (float(np.nanmin(z)), float(np.nanmax(z))) if scale is None else scale
    surface = ax.plot_surface(x_HW, y_HW, z, cmap=cmap, vmin=low, vmax=high, linewidth=0, **every)
    if options["colorbar"]:
        ax.figure.colorbar(surface, ax=ax, label=label, shrink=0.6, pad=0.12)
    height = (high - low) or 1.0
    ax.set_zlim(low - FLOOR * height if options["floor"] else low, low + height)
    if options["floor"]:
        below: dict[str, Any] = {"offset": ax.get_zlim()[0], "linewidths": 1, "zorder": 0}
        ax.contour(x, y, z.T, levels=_levels(np.array([low, high]), 15), cmap=cmap, vmin=low, vmax=high, **below)
    for path in (*landscape.paths, *options["paths"]):
        _draw(path, ax, *path.points.T, _on_surface(path.points, Smooth(x, y, z)))
    if landscape.marks.get("the model") == (0.0, 0.0):
        _pin(ax, (x, y, z), low + height)
    ax.computed_zorder = False  # otherwise the surface is drawn over the pin and the paths
    _note(landscape, [options["metric"]], ax.text2D, ax.transAxes, below=True)
    # The colour bar says what the heights are; on the left side of the scene, a label would be cut off.
    xlabel, ylabel = (fill(text, LABEL_WIDTH) for text in _axis_labels(landscape))
    ax.set(xlabel=xlabel, ylabel=ylabel, zlabel="" if options["colorbar"] else label)
    for one in (ax.xaxis, ax.yaxis, ax.zaxis):
        one.set_major_locator(MaxNLocator(5))
        one.labelpad = 8 + 7 * one.get_label_text().count("\n")
    ax.view_init(options["elevation"], options["azimuth"])
    return ax


def _on_surface(points: np.ndarray, surface: Smooth) -> np.ndarray:
    """The heights [n] of a path in this picture, whatever it was walked on; NaN beyond the border."""
    at_x, at_y = points.T
    within = (at_x >= surface.x[0]) & (at_x <= surface.x[-1]) & (at_y >= surface.y[0]) & (at_y <= surface.y[-1])
    return np.where(within, [surface.at(*at)[0] for at in points.tolist()], np.nan)


def _pin(ax: Any, grid: tuple[np.ndarray, np.ndarray, np.ndarray], top: float) -> None:
    """Shows where the model stands, also where the front of the surface hides its foot."""
    x, y, z = grid
    if 0.0 not in x or 0.0 not in y:
        return  # between grid points the height of the model is not known
    foot = z[x.tolist().index(0.0), y.tolist().index(0.0)]
    ax.plot([0, 0], [0, 0], [foot, top], "-", color="black", linewidth=1, zorder=10)
    ax.plot([0], [0], [foot], "o", color="black", markersize=4, zorder=10, label="the model")


def plot(
    landscape: Values,
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
        ax: Where to draw. Default: a new figure.
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
    if len(landscape.axes) != 1 or len(landscape.loss) < 2:
        raise ValueError(
            f"a landscape of {landscape.shape_text} points is no line to plot; wanted one axis of at least 2 points"
        )
    ((_, x),) = landscape.axes.items()
    first, *others = [metric] if isinstance(metric, str) else metric or [""]
    if not first or len({first, *others}) <= len(others):
        raise ValueError(f"metric={metric!r} came; wanted names, each once, for example ['loss', 'accuracy']")
    z, label = heights(landscape, first, log=log, clip=clip)
    right = {name: heights(landscape, name, log=False)[0] for name in others}
    if ax is None:
        ax = _new_axes(layout="constrained")
    lines = ax.plot(x, z, **{"label": label, **style})
    if right:
        beside = ax.twinx()
        for k, (name, values) in enumerate(right.items(), start=1):
            lines += beside.plot(x, values, "--", color=f"C{k}", label=name)
        beside.set_ylabel(", ".join(right))
        ax.legend(handles=lines)
    for path in landscape.paths:
        (along,) = path.points.T
        ax.plot(along, np.interp(along, x, z, left=np.nan, right=np.nan), "o", color="black", ms=4, label=path.name)
    for name, (at,) in landscape.marks.items():
        if x[0] <= at <= x[-1]:
            ax.axvline(at, color="grey", linestyle=":", label=name)
            transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
            side = "right" if at > x[0] + 0.8 * np.ptp(x) else "left"  # a name would leave the picture
            ax.text(at, 0.98, f" {name} ", transform=transform, color="grey", va="top", ha=side)
    ax.set(xlabel=_axis_labels(landscape)[0], ylabel=label)
    _note(landscape, [first, *others], ax.text, ax.transAxes)
    return ax


def _axis_labels(landscape: Values) -> list[str]:
    return [f"{name} (along {label})" for name, label in landscape.labels.items()]


def _new_axes(layout: Literal["compressed", "constrained"], **subplot: Any) -> Any:
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(7.0, 5.5), layout=layout).add_subplot(**subplot)


def _draw(path: Walk | Trajectory, ax: Any, *coordinates: Any) -> None:
    """A path as a line with a dot at every step, in two or three dimensions: a walk in white, others in black."""
    inner, outer = ("white", "black") if isinstance(path, Walk) else ("black", "white")
    (line,) = ax.plot(*coordinates, ".-", color=inner, linewidth=1.5, markersize=5, zorder=11, label=path.name)
    line.set_path_effects(_outlined(3.5, outer))


def _outlined(linewidth: float, colour: str) -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=linewidth, foreground=colour)]


def _note(
    landscape: Values, metrics: Sequence[str], write: Callable[..., Any], transform: Any, *, below: bool = False
) -> None:
    """Says how many points have no value to draw, and how many values are predicted.

    In three dimensions the layout leaves no room below the axes, so that the note stands on the edge of the picture.
    """
    said = [fill(sentence, NOTE_WIDTH) for metric in metrics if (sentence := refinement_said(landscape, metric))]
    for metric in metrics:
        values = landscape.measures[metric]
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
    from matplotlib.ticker import MaxNLocator

    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    margin = 0.0 if high > low else max(abs(low), 1.0) * 1e-3  # a constant surface lies between two levels
    return np.asarray(MaxNLocator(count).tick_values(low - margin, high + margin))
