"""Pictures of a landscape, by matplotlib.

Every function takes and returns axes, works without a display, and leaves matplotlib's settings as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from fastscape.results import Trajectory, Values, documented, heights, with_defaults
from fastscape.views.carried import LeftOut, Mark
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.levels import levels_of, round_levels
from fastscape.views.options import ContourOptions, Surface3dOptions
from fastscape.views.plane import plane_of
from fastscape.views.smooth import Smooth
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit, height_of
from fastscape.views.walks import Walk

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d.axes3d import Axes3D
    from typing_extensions import Unpack

__all__ = ["contour", "plot", "surface3d"]

FLOOR = 0.4  # the distance of the contours below a surface, as a fraction of its height
LABEL_WIDTH = 28  # letters of an axis label in three dimensions, where the layout leaves no room
WIDTH = 44  # likewise in two dimensions, where maps stand side by side
NOTE_WIDTH = {2: 84, 3: 110}  # letters of a line below a picture, by its dimensions


@documented(ContourOptions)
def contour(landscape: Values, **given: Unpack[ContourOptions]) -> Axes:
    """Draws a contour map with labelled axes, a colour bar, and a cross at every model that lies in the plane.

    Numbers beyond 1e30 or below 1e-30 are drawn in units of a power of ten, which the labels name; so they are in
    every picture. A note below the picture names what of the landscape is not drawn, and why.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `ContourOptions` says.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, a coordinate is not finite or there twice, `levels`
            is below 1, or `heights` refuses its arguments; when there is nothing to draw because `filled` is off and
            `linewidth` 0.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> contour(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), levels=8).get_xlabel()
        'x (along direction 1)'
    """
    options = with_defaults(ContourOptions, given, "contour")
    plane_of(landscape, "draw")
    if not options["filled"] and not options["linewidth"] > 0:
        raise ValueError(
            f"filled=False came with linewidth={options['linewidth']}, which draws nothing; write linewidth=1"
        )
    shown = drawable(landscape, options)
    (x, y), z, scale = shown.axes, shown.heights, options["scale"]
    edges = levels_of(z if scale is None else shown.unit.scaled(np.array(scale)), options["levels"], shown.unit)
    ax = cast(Any, options["ax"]) or _new_axes(layout="compressed")
    coloured = _map(ax, (x, y, z), edges, options)
    if options["colorbar"]:
        ax.figure.colorbar(coloured, ax=ax, label=shown.label)
    if options["points"] and not shown.evaluated.all():
        rows, columns = shown.evaluated.nonzero()
        ax.plot(x[rows], y[columns], ".", color="black", markersize=1.5, alpha=0.7, label="evaluated")
    limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
    for path, points in shown.all_paths(options["paths"]):
        _draw(path, ax, *points.T)
    if shown.carried.paths:  # unlike a walk, one that was brought along may leave the grid
        ax.set(**limits)
    for mark in shown.carried.marks:
        (cross,) = ax.plot(*np.transpose([mark.at]), "+", color="white", ms=12, markeredgewidth=2, label=mark.name)
        cross.set_path_effects(_outlined(3, "black"))  # seen in a hole, too, which is white
        if len(shown.carried.marks) > 1:
            # To the side where there is more room; a long name must not take the room of the map.
            side, offset = ("right", -6) if mark.at[0] > np.mean(x[[0, -1]]) else ("left", 6)
            text = ax.annotate(mark.name, mark.at, (offset, 6), textcoords="offset points", color="white", ha=side)
            text.set(path_effects=_outlined(2, "black"), in_layout=False)
    similar = 0.5 <= np.ptp(x) / np.ptp(y) <= 2
    xlabel, ylabel = (fill(text, WIDTH) for text in shown.carried.labels)
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if similar else "auto")
    _note(shown.said(), ax)
    return ax


def _map(ax: Any, grid: tuple[np.ndarray, np.ndarray, np.ndarray], edges: np.ndarray, options: ContourOptions) -> Any:
    """Draws areas and lines; what is returned has the colours."""
    x, y, z = grid
    filled, linewidth, cmap = options["filled"], options["linewidth"], options["cmap"] or "viridis"
    extend = "both" if options["scale"] is not None or np.ndim(options["levels"]) else "neither"  # else all is within
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
    """Draws the surface in three dimensions above its contours, with a pin at every model that is a grid point.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `Surface3dOptions` says; `ax` are three-dimensional axes.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, a coordinate is not finite or there twice, or
            `heights` refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> surface3d(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), elevation=60).elev
        60
    """
    from matplotlib.ticker import MaxNLocator

    options = with_defaults(Surface3dOptions, given, "surface3d")
    plane_of(landscape, "draw")
    shown = drawable(landscape, options)
    (x, y), z = shown.axes, shown.heights
    cmap, scale = options["cmap"] or "coolwarm", options["scale"]
    ax: Any = options["ax"]
    if ax is None:
        ax = _new_axes(layout="constrained", projection="3d")
        ax.set_box_aspect(None, zoom=0.95)  # the layout knows nothing of labels in three dimensions
    x_HW, y_HW = np.meshgrid(x, y, indexing="ij")
    # Every cell is drawn: matplotlib would thin the grid to 50 lines and cut off the minimum.
    every = {"rcount": z.shape[0], "ccount": z.shape[1]}
    low, high = (float(np.nanmin(z)), float(np.nanmax(z))) if scale is None else shown.unit.scaled(np.array(scale))
    surface = ax.plot_surface(x_HW, y_HW, z, cmap=cmap, vmin=low, vmax=high, linewidth=0, **every)
    if options["colorbar"]:
        ax.figure.colorbar(surface, ax=ax, label=shown.label, shrink=0.6, pad=0.12)
    height = height_of(low, high)
    ax.set_zlim(low - FLOOR * height if options["floor"] else low, low + height)
    if options["floor"]:
        below: dict[str, Any] = {"offset": ax.get_zlim()[0], "linewidths": 1, "zorder": 0}
        ax.contour(x, y, z.T, levels=round_levels(np.array([low, high]), 15), cmap=cmap, vmin=low, vmax=high, **below)
    for path, points in shown.all_paths(options["paths"]):
        at = _on_surface(points, Smooth(x, y, z))
        _draw(path, ax, *np.where(np.isnan(at), np.nan, points.T), at)  # without the rest, which would widen the axes
    unknown = [_pin(ax, shown, mark, low + height) for mark in shown.carried.marks]
    unknown = unknown if "marks" in landscape.report else []  # nobody asked for the mark of one without
    ax.computed_zorder = False  # otherwise the surface is drawn over the pins and the paths
    _note(shown.said(*filter(None, unknown)), ax)
    # The colour bar says what the heights are; on the left side of the scene, a label would be cut off.
    xlabel, ylabel = (fill(text, LABEL_WIDTH) for text in shown.carried.labels)
    ax.set(xlabel=xlabel, ylabel=ylabel, zlabel="" if options["colorbar"] else shown.label)
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


def _pin(ax: Any, shown: Drawable, mark: Mark, top: float) -> LeftOut | None:
    """Shows where a model stands, also where the front of the surface hides its foot; or says why it cannot."""
    (x, y), (at_x, at_y), said = shown.axes, mark.at, f'the mark "{mark.name}"'
    if at_x not in x or at_y not in y:
        return LeftOut(said, "between grid points")  # where the height of the model is not known
    foot = shown.heights[x.tolist().index(at_x), y.tolist().index(at_y)]
    if np.isnan(foot):
        return LeftOut(said, "no value there")
    ax.plot([at_x, at_x], [at_y, at_y], [foot, top], "-", color="black", linewidth=1, zorder=10)
    ax.plot([at_x], [at_y], [foot], "o", color="black", markersize=4, zorder=10, label=mark.name)
    if len(shown.carried.marks) > 1:
        ax.text(at_x, at_y, top, mark.name, fontsize=7, zorder=12, ha="center", va="bottom")
    return None


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
        ValueError: When the landscape is no line of at least 2 points, a coordinate is not finite or there twice, no
            metric is named or one twice, or `heights` refuses its arguments.

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
    first, *others = [metric] if isinstance(metric, str) else metric or [""]
    if not first or len({first, *others}) <= len(others):
        raise ValueError(f"metric={metric!r} came; wanted names, each once, for example ['loss', 'accuracy']")
    shown = drawable(landscape, {"metric": first, "log": log, "clip": clip}, others)
    (x,), z = shown.axes, shown.heights
    right = {name: heights(landscape, name, log=False)[0] for name in others}
    if ax is None:
        ax = _new_axes(layout="constrained")
    lines = ax.plot(x, z, **{"label": shown.label, **style})
    if right:
        lines += _beside(ax, shown, right)
        ax.legend(handles=lines)
    for path in shown.carried.paths:
        (along,) = path.points.T
        ax.plot(along, np.interp(along, x, z, left=np.nan, right=np.nan), "o", color="black", ms=4, label=path.name)
    for mark in shown.carried.marks:
        (at,) = mark.at
        ax.axvline(at, color="grey", linestyle=":", label=mark.name)
        transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
        side = "right" if at > x[0] + 0.8 * np.ptp(x) else "left"  # a name would leave the picture
        ax.text(at, 0.98, f" {mark.name} ", transform=transform, color="grey", va="top", ha=side)
    ax.set(xlabel=fill(shown.carried.labels[0], WIDTH), ylabel=shown.label)
    _note(shown.said(), ax)
    return ax


def _beside(ax: Any, shown: Drawable, measures: dict[str, np.ndarray]) -> list[Any]:
    """Draws further measures of a line, dashed, on an axis on the right."""
    beside = ax.twinx()
    unit = Unit.of(*measures.values())
    lines = []
    for k, (name, values) in enumerate(measures.items(), start=1):
        label = literal(cleaned(name, LABEL))
        lines += beside.plot(shown.axes[0], unit.scaled(values)[shown.order], "--", color=f"C{k}", label=label)
    beside.set_ylabel(unit.labelled(", ".join(line.get_label() for line in lines)))
    return lines


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


def _note(sentences: list[str], ax: Any) -> None:
    """Says below a picture what it does not show.

    In three dimensions the layout leaves no room below the axes. The note then stands on the lower edge of the page,
    or, where the page has further rows, just below the axes.
    """
    flat = not hasattr(ax, "text2D")
    text = "\n".join(fill(sentence, NOTE_WIDTH[2 if flat else 3]) for sentence in sentences)
    if text and flat:
        below = -34 - 12 * ax.get_xlabel().count("\n")  # points: below the label of the axis
        ax.annotate(text, (0, 0), (0, below), "axes fraction", "offset points", fontsize=7, va="top")
    elif text:
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
        place = ax.get_subplotspec()
        lowest = place is not None and place.is_last_row()
        at, of = (0.006, "subfigure fraction") if lowest else (-0.13, "axes fraction")
        ax.annotate(text, (0.0, at), xycoords=("axes fraction", of), fontsize=7, va="bottom", bbox=ground)
