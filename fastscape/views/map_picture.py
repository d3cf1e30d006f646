"""The contour map of a landscape, by matplotlib.

Every function takes and returns axes, works without a display, and leaves matplotlib's settings as they are.
"""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastscape.results import Values, documented, with_defaults
from fastscape.views.arrows import draw_descent
from fastscape.views.bands import band_or_key, places
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.figure_parts import colour_bar, note, outlined
from fastscape.views.levels import beyond_clip, colours_of, crowded_said, levels_of
from fastscape.views.options import ContourOptions
from fastscape.views.path_pictures import DrawnPath, draw_paths
from fastscape.views.plane import plane_of, scale_of
from fastscape.views.sizes import at_size, em, letters, weight

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Unpack

__all__ = ["areas", "contour", "map_of"]

LOW = 0.6  # in maps with a smaller ratio of height to width, the label beside the map takes two lines
WIDTH = 44  # letters of an axis label, if maps are side by side


@documented(ContourOptions)
def contour(landscape: Values, **given: Unpack[ContourOptions]) -> Axes:
    """Draws a contour map with labelled axes, a colour bar, and a cross at every model in the plane.

    Paths of a training are drawn in the colours of their steps, with a hollow marker at the start and a filled marker
    at the end. Names mark the first points of epochs, or round steps if there is no measure "epoch". Each checkpoint
    is off the plane and has its own loss. The band below the map shows this loss, the loss of the plane below the
    checkpoint, and the distance off the plane. Axes that are known to be orthonormal have one scale.

    As in every picture, numbers beyond 1e30 or below 1e-30 are drawn in units of a power of ten, which the labels
    name. A note below the picture names the parts of the landscape that are not drawn, with the reason.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `ContourOptions` says.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, a coordinate is not finite or occurs twice,
            `levels` is below 1, or `heights` refuses its arguments. When there is nothing to draw because `filled` is
            off and `linewidth` is 0. When a band is asked for and there is nothing to draw in it, or no place for it.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> contour(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), levels=8).get_xlabel()
        'x (along direction 1)'
    """
    return map_of(landscape, **given)[0]


@at_size
def map_of(landscape: Values, **given: Any) -> tuple[Any, list[DrawnPath]]:
    """Draws a contour map.

    Args:
        landscape: The landscape.
        **given: As `ContourOptions` says.

    Returns:
        The axes, and the paths that were drawn on them.

    Raises:
        TypeError: As `contour`.
        ValueError: As `contour`.
    """
    options = with_defaults(ContourOptions, given, "contour")
    plane_of(landscape, "draw")
    if not options["filled"] and not options["linewidth"] > 0:
        raise ValueError(f"filled=False with linewidth={options['linewidth']} draws nothing; write linewidth=1")
    shown = drawable(landscape, options)
    (x, y), z, scale = shown.axes, shown.heights, options["scale"]
    edges = levels_of(z if scale is None else shown.unit.scaled(np.array(scale)), options["levels"], shown.unit, 25)
    spans = scale_of(landscape) if len(set(shown.units)) == 1 else None
    similar = 0.5 <= np.ptp(x) / np.ptp(y) <= 2 or spans is not None
    ratio = float(np.ptp(y) / np.ptp(x)) if similar else None
    ax, band = places(options, shown, "compressed", ratio)
    vertical = shown.vertical
    colours = colours_of(vertical.metric, edges, options["cmap"], log=vertical.log)
    colours["extend"] = beyond_clip(shown, options)
    coloured = areas(ax, (x, y, z), edges, options, colours)
    if options["colorbar"]:
        colour_bar(coloured, ax, shown.label)
    if options["points"] and not shown.evaluated.all():
        rows, columns = shown.evaluated.nonzero()
        ax.plot(x[rows], y[columns], ".", color="black", markersize=1.5, alpha=0.7, label="evaluated")
    if options["arrows"]:
        draw_descent(ax, landscape, shown, options["arrows"])
    limits = {"xlim": ax.get_xlim(), "ylim": ax.get_ylim()}
    taken = _names_of_marks(ax, shown)
    drawn = draw_paths(ax, [(path, (*points.T,)) for path, points in shown.paths], taken=taken)
    if shown.trajectories:  # unlike a walk, a trajectory may leave the grid
        ax.set(**limits)
    _crosses(ax, shown)
    low = ratio is not None and ratio < LOW
    xlabel, ylabel = map(fill, shown.carried.labels, (WIDTH, WIDTH // 2 if low else WIDTH))
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if similar else "auto")
    note([*shown.said(), *crowded_said(shown, options)], ax, own=options["ax"] is None)
    band_or_key(landscape, shown, drawn, (ax, band), options)
    return ax, drawn


def _names_of_marks(ax: Any, shown: Drawable) -> list[np.ndarray]:
    """The places of the names of models, as fractions of the map: their beginning, middle and end."""
    limits = [np.sort(limit) for limit in (ax.get_xlim(), ax.get_ylim())]
    width = 0.7 * ax.figure.get_figwidth()
    found = []
    for mark in shown.carried.marks:
        at = np.array([(one - low) / (high - low) for one, (low, high) in zip(mark.at, limits, strict=True)])
        side = -1 if mark.at[0] > np.mean(shown.axes[0][[0, -1]]) else 1
        length = 0.5 * len(mark.name) * em() / width
        found += [at + np.array((side * share * length, em() / width)) for share in (0, 0.5, 1)]
    return found


def _crosses(ax: Any, shown: Drawable) -> None:
    """Draws a cross with a name at every model on a map."""
    x = shown.axes[0]
    for mark in shown.carried.marks:
        style = {"ms": 12 * weight(), "markeredgewidth": 2 * weight(), "label": mark.name}
        (cross,) = ax.plot(*np.transpose([mark.at]), "+", color="white", **style)
        cross.set_path_effects(outlined(3 * weight(), "black"))  # seen in a hole, too, which is white
        # Names go to the side with more room; a long name must not shrink the map.
        side, offset = ("right", -6) if mark.at[0] > np.mean(x[[0, -1]]) else ("left", 6)
        at = {"xytext": (offset * weight(), 6 * weight()), "textcoords": "offset points", "ha": side}
        text = ax.annotate(mark.name, mark.at, color="white", fontsize=letters(0.9), zorder=13, **at)
        text.set(path_effects=outlined(2 * weight(), "black"), in_layout=False)


def areas(
    ax: Any,
    grid: tuple[np.ndarray, np.ndarray, np.ndarray],
    edges: np.ndarray,
    options: Any,
    colours: dict[str, Any],
) -> Any:
    """Draws the areas between heights, and the contour lines.

    Args:
        ax: The axes to draw on.
        grid: Coordinates [H] and [W], and heights [H, W].
        edges: The heights of the contour lines.
        options: "filled", "linewidth", "labels", "scale" and "levels".
        colours: As `colours_of` returns them, and "extend" if values are beyond the levels.

    Returns:
        The drawn object whose colours a colour bar explains.
    """
    x, y, z = grid
    filled, linewidth = options["filled"], options["linewidth"]
    beyond = (
        options["scale"] is not None or np.ndim(cast(Any, options["levels"])) > 0
    )  # else no value is beyond the levels
    extend = "both" if beyond else colours.get("extend", "neither")
    colours = {name: value for name, value in colours.items() if name != "extend"}
    coloured = ax.contourf(x, y, z.T, levels=edges, **colours, extend=extend) if filled else None
    if linewidth > 0:
        style: dict[str, Any] = {"linewidths": linewidth, "linestyles": "solid"}
        style |= {"colors": "black", "alpha": 0.4} if filled else colours
        lines = ax.contour(x, y, z.T, levels=edges, **style)
        coloured = coloured or lines
        if options["labels"]:
            for text in ax.clabel(lines, fontsize=letters(), colors="black"):
                text.set(alpha=1, path_effects=outlined(2, "white"))
    return coloured
