"""The surface of a landscape in three dimensions, by matplotlib."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastscape.results import Trajectory, Values, colour_ends, documented, with_defaults
from fastscape.views.bands import band_or_key, places
from fastscape.views.carried import LeftOut, Mark
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.figure_parts import ROUND, colour_bar, note, outlined
from fastscape.views.levels import beyond_clip, colours_of, crowded_said, levels_of
from fastscape.views.options import Surface3dOptions
from fastscape.views.path_pictures import DrawnPath, Placed, add_stems, draw_paths
from fastscape.views.plane import plane_of, scale_of
from fastscape.views.sizes import at_size, em, letters, weight
from fastscape.views.smooth import Smooth
from fastscape.views.units import height_of

if TYPE_CHECKING:
    from mpl_toolkits.mplot3d.axes3d import Axes3D
    from typing_extensions import Unpack

__all__ = ["box_of", "surface3d", "surface_of"]

FLOOR = 0.4  # the distance of the contours below a surface, as a fraction of its height
HIGHEST = 1.35  # largest height of a picture with own losses above the surface, in units of the surface's height
LABELS = 14.5  # how fast a picture shrinks as its letters grow in proportion to its height
RASTERISED = 2000  # surfaces with more points are pixels in a vector file
LABEL_WIDTH = 28  # letters of an axis label in three dimensions, for which the layout reserves no room


@documented(Surface3dOptions)
def surface3d(landscape: Values, **given: Unpack[Surface3dOptions]) -> Axes3D:
    """Draws the surface in three dimensions above its contours, with a pin at every model on it.

    Paths of a training are drawn on the surface, as on a map. The own losses of their checkpoints are drawn on stems
    above or below the surface. The band below the picture is the same as for `contour`.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        **given: As `Surface3dOptions` says; `ax` are three-dimensional axes.

    Returns:
        The axes that were drawn on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer than 2 x 2 points, a coordinate is not finite or occurs twice,
            `levels` is below 1, or `heights` refuses its arguments. When a band is asked for and there is nothing to
            draw in it, or no place for it.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 5)
        >>> surface3d(Landscape(x, x, x[:, None] ** 2 + x**2 + 1), elevation=60).elev
        60
    """
    return cast("Axes3D", surface_of(landscape, **given)[0])


@at_size
def surface_of(landscape: Values, **given: Any) -> tuple[Any, list[DrawnPath]]:
    """Draws the surface in three dimensions.

    Args:
        landscape: The landscape.
        **given: As `Surface3dOptions` says.

    Returns:
        The axes, and the paths that were drawn on them.

    Raises:
        TypeError: As `surface3d`.
        ValueError: As `surface3d`.
    """
    options = with_defaults(Surface3dOptions, given, "surface3d")
    plane_of(landscape, "draw")
    shown = drawable(landscape, options)
    scale = options["scale"]
    low, high = _ends(shown.heights) if scale is None else shown.unit.scaled(np.array(scale))
    levels = levels_of(np.array([low, high]), options["levels"], shown.unit, 15)
    ax, band = places(options, shown, "constrained", projection="3d")
    if options["ax"] is None:
        box = box_of(landscape)
        # The layout ignores labels in three dimensions. Beside a flat box, or if they are large, they need more room.
        free = 1.366 - LABELS * em() / (ax.figure.get_figheight() / (1 if band is None else 1.4))
        zoom = free * (0.85 if box is not None or (band is not None and options["band"] is not band) else 1.0)
        ax.set_box_aspect(box, zoom=zoom)
    _surface(ax, shown, (low, high), levels, options)
    top = low + height_of(low, high)
    drawn, unknown = _on_top(ax, shown, (low, top), scale is None)
    floor = ax.get_zlim()[0] if options["floor"] else None
    reported = "marks" in landscape.report  # without a report only a mark at a grid point is drawn
    marks = [mark for mark in shown.carried.marks if reported or _on_grid(shown, mark)]
    lost = [_pin(ax, shown, mark, (floor, top)) for mark in marks]
    unknown += lost if reported else []
    pinned = [mark for mark, left_out in zip(marks, lost, strict=True) if left_out is None]
    between = _between_said(shown, pinned) if reported else []
    ax.computed_zorder = False  # otherwise the surface is drawn over the pins and the paths
    _dress(ax, shown, low, options)
    band_or_key(landscape, shown, drawn, (ax, band), options)
    said = [*shown.said(*filter(None, unknown)), *between, *crowded_said(shown, options)]
    note(said, ax, own=options["ax"] is None)
    return ax, drawn


def _between_said(shown: Drawable, pinned: list[Mark]) -> list[str]:
    """Says which pins are between grid points, where no loss was evaluated and the surface is interpolated."""
    between = [mark.name for mark in pinned if not _on_grid(shown, mark)]
    heights = "its height is" if len(between) == 1 else "their heights are"
    return [f"between grid points: {', '.join(between)}; {heights} interpolated"] if between else []


def _on_grid(shown: Drawable, mark: Mark) -> bool:
    return all(at in axis for at, axis in zip(mark.at, shown.axes, strict=True))


def _surface(
    ax: Any, shown: Drawable, ends: tuple[float, float], levels: np.ndarray, options: Surface3dOptions
) -> None:
    """Draws the surface, its colour bar and its contours."""
    (x, y), z, (low, high) = shown.axes, shown.heights, ends
    metric, log = shown.vertical.metric, shown.vertical.log
    first, last = colour_ends(metric, low, high, log=log)
    colours: dict[str, Any] = {**colours_of(metric, ends, options["cmap"], log=log), "vmin": first, "vmax": last}
    x_HW, y_HW = np.meshgrid(x, y, indexing="ij")
    # Every cell is drawn: by default matplotlib thins the grid to 50 lines, which cuts off the minimum.
    every = {"rcount": z.shape[0], "ccount": z.shape[1]}
    # In a vector file, such as PDF, many cells are drawn as pixels: a megabyte of polygons would show no more.
    surface = ax.plot_surface(x_HW, y_HW, z, **colours, linewidth=0, rasterized=z.size > RASTERISED, **every)
    if options["colorbar"]:
        colour_bar(surface, ax, shown.label, shrink=0.6, pad=0.04, extend=beyond_clip(shown, options))
    height = height_of(low, high)
    ax.set_zlim(low - FLOOR * height if options["floor"] else low, low + height)
    if options["floor"]:
        below: dict[str, Any] = {"offset": ax.get_zlim()[0], "linewidths": 0.9 * weight(), "zorder": 0}
        ax.contour(x, y, z.T, levels=levels, **colours, **below)


def _on_top(
    ax: Any, shown: Drawable, ends: tuple[float, float], may_rise: bool
) -> tuple[list[DrawnPath], list[LeftOut | None]]:
    """Draws the paths on the surface and their checkpoints' own losses; returns the parts that cannot be drawn."""
    lowest, highest = ax.get_zlim()[0], ends[0] + (HIGHEST if may_rise else 1) * (ends[1] - ends[0])
    surface = Smooth(shown.axes[0], shown.axes[1], shown.heights)
    at_height, unknown = list[Placed](), list[LeftOut | None]()
    for path, points in shown.paths:
        at = _on_surface(points, surface)
        # Losses beyond the picture are left out, because they would widen the axes.
        at_height.append((path, (*np.where(np.isnan(at), np.nan, points.T), at)))
    drawn = draw_paths(ax, at_height)
    for one in drawn:
        if isinstance(one.path, Trajectory) and one.path.loss is not None and shown.vertical.metric == "loss":
            own = shown.vertical.of(one.path.loss)
            beyond = (own < lowest) | (own > highest)
            kept = np.where(beyond, np.nan, own)
            add_stems(one, ax, one.coordinates[-1], kept)
            ax.set_zlim(top=np.nanmax([ax.get_zlim()[1], *kept]))
            if beyond.any():
                said = f'{beyond.sum()} of {np.isfinite(own).sum()} losses of the path "{one.path.name}"'
                unknown.append(LeftOut(said, "above or below the picture"))
    return drawn, unknown


def _dress(ax: Any, shown: Drawable, low: float, options: Surface3dOptions) -> None:
    """Labels the axes, without ticks below the lowest height of the surface, and sets the view."""
    from matplotlib.ticker import MaxNLocator

    # The colour bar says what the heights are; on the left side of the scene, a label would be cut off.
    xlabel, ylabel = (fill(text, LABEL_WIDTH) for text in shown.carried.labels)
    ax.set(xlabel=xlabel, ylabel=ylabel, zlabel="" if options["colorbar"] else shown.label)
    ticks = 5 if weight() < 1.5 else 3
    for one in (ax.xaxis, ax.yaxis, ax.zaxis):
        one.set_major_locator(MaxNLocator(ticks))
        one.labelpad = 8 * weight() ** 1.6 + 7 * weight() * one.get_label_text().count("\n")
    floor, top = ax.get_zlim()
    ax.set_zticks([at for at in MaxNLocator(ticks, steps=ROUND).tick_values(low, top) if low <= at <= top])
    ax.set_zlim(floor, top)
    ax.view_init(options["elevation"], options["azimuth"])


def box_of(landscape: Values) -> tuple[float, float, float] | None:
    """The lengths of the sides of a surface: one scale for both axes if they are orthonormal.

    Args:
        landscape: The landscape.

    Returns:
        The sides along x, y and the height, as `set_box_aspect` takes them; None for matplotlib's own.
    """
    spans = scale_of(landscape)
    if spans is None:
        return None
    across, deep = (4 * span / max(spans) for span in spans)
    return across, deep, 3.0


def _ends(z: np.ndarray) -> tuple[float, float]:
    return float(np.nanmin(z)), float(np.nanmax(z))


def _on_surface(points: np.ndarray, surface: Smooth) -> np.ndarray:
    """The heights [n] of a path on this picture's surface, whatever it was walked on; NaN beyond the border."""
    at_x, at_y = points.T
    within = (at_x >= surface.x[0]) & (at_x <= surface.x[-1]) & (at_y >= surface.y[0]) & (at_y <= surface.y[-1])
    return np.where(within, [surface.at(*at)[0] for at in points.tolist()], np.nan)


def _pin(ax: Any, shown: Drawable, mark: Mark, ends: tuple[float | None, float]) -> LeftOut | None:
    """Draws a pin at a model, visible also if the surface hides its foot; returns the reason if it cannot be drawn."""
    (x, y), (at_x, at_y), said = shown.axes, mark.at, f'the mark "{mark.name}"'
    floor, top = ends
    if _on_grid(shown, mark):
        foot = shown.heights[x.tolist().index(at_x), y.tolist().index(at_y)]
    else:  # on the surface that is drawn, as paths are
        foot = Smooth(x, y, shown.heights).at(at_x, at_y)[0]
    if np.isnan(foot):
        return LeftOut(said, "no value there")
    ax.plot([at_x, at_x], [at_y, at_y], [foot, top], "-", color="black", linewidth=weight(), zorder=10)
    ax.plot([at_x], [at_y], [foot], "o", color="black", markersize=4 * weight(), zorder=10, label=mark.name)
    if floor is not None:  # on the floor, because the pin may hide the dip that it marks
        ax.plot([at_x], [at_y], [floor], "+", color="black", ms=7 * weight(), zorder=0.5, label="_below")
    ax.text(
        at_x,
        at_y,
        top,
        mark.name,
        fontsize=letters(),
        zorder=12,
        ha="center",
        va="bottom",
        path_effects=outlined(2, "white"),
    )
    return None
