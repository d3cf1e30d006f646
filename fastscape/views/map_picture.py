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

LOW = 0.6  # height of a map for its width, below which a label beside it takes two lines
WIDTH = 44  # letters of an axis label, where maps stand side by side


@documented(ContourOptions)
def contour(landscape: Values, **given: Unpack[ContourOptions]) -> Axes:
    """Draws a contour map with labelled axes, a colour bar, and a cross at every model that lies in the plane.

    Paths of a training are drawn in the colours of their steps, with a hollow marker at the start, a filled one at the
    end, and names where epochs begin, or without the measure "epoch" round steps. Each checkpoint lies beside the
    plane and has a loss of its own: the band below the map shows it beside the loss of the plane below it, and its
    distance off the plane. Axes that are known to be orthonormal have one scale.

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
            `linewidth` 0; when a band is asked for and there is nothing in it, or no place for it.

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
    if shown.trajectories:  # unlike a walk, it may leave the grid
        ax.set(**limits)
    _crosses(ax, shown)
    low = ratio is not None and ratio < LOW
    xlabel, ylabel = map(fill, shown.carried.labels, (WIDTH, WIDTH // 2 if low else WIDTH))
    ax.set(xlabel=xlabel, ylabel=ylabel, aspect="equal" if similar else "auto")
    note([*shown.said(), *crowded_said(shown, options)], ax, own=options["ax"] is None)
    band_or_key(landscape, shown, drawn, (ax, band), options)
    return ax, drawn


def _names_of_marks(ax: Any, shown: Drawable) -> list[np.ndarray]:
    """Where the names of models will stand, as fractions of the map: at their beginning, middle and end."""
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
    """Shows on a map where models lie."""
    x = shown.axes[0]
    for mark in shown.carried.marks:
        style = {"ms": 12 * weight(), "markeredgewidth": 2 * weight(), "label": mark.name}
        (cross,) = ax.plot(*np.transpose([mark.at]), "+", color="white", **style)
        cross.set_path_effects(outlined(3 * weight(), "black"))  # seen in a hole, too, which is white
        # To the side where there is more room; a long name must not take the room of the map.
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
    """Draws the areas between heights, and the lines.

    Args:
        ax: Where.
        grid: Coordinates [H] and [W], and heights [H, W].
        edges: The heights of the lines.
        options: "filled", "linewidth", "labels", "scale" and "levels".
        colours: As `colours_of` returns them, and "extend" where values lie beyond the levels.

    Returns:
        What has the colours, for a colour bar.
    """
    x, y, z = grid
    filled, linewidth = options["filled"], options["linewidth"]
    beyond = options["scale"] is not None or np.ndim(cast(Any, options["levels"])) > 0  # else all is within
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
