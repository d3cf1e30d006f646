"""Landscapes of several axes, by matplotlib: a map for each pair of axes, and a curve for each axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import Values, chosen, documented, projection_of, signed, slice_of, with_defaults
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.figure_parts import note_of_all, outlined
from fastscape.views.levels import colours_of, levels_of
from fastscape.views.map_picture import areas
from fastscape.views.options import SectionsOptions
from fastscape.views.path_pictures import draw_paths
from fastscape.views.plane import ordered

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Unpack

__all__ = ["sections"]

_SIDE = {3: 2.7, 4: 2.3, 5: 2.05}  # inches of a panel, by the number of axes
_LEAST = 1.8  # inches of a panel, for more axes
_WIDTH = 24  # letters of an axis label
_SMALL = 8  # size of letters
_HOW = {
    "slice": "Slices: each panel fixes the axes that it does not show at",
    "min": "Minimum: each panel has the values at the point of smallest loss along the axes that it does not show. "
    "These points may be far apart for neighbouring points of a panel",
    "mean": "Mean: each panel shows the mean over the range of the axes that it does not show",
}


@documented(SectionsOptions)
def sections(landscape: Values, **given: Unpack[SectionsOptions]) -> list[Axes]:
    """Draws a landscape of several axes as a triangle of panels on one colour scale.

    Below the diagonal is a map for each pair of axes, on the diagonal a curve for each axis. A note below says how the
    panels treat the axes that they do not show: slices through one point, or projections. Models are crosses, which
    are grey in slices that do not contain the model. Paths are projected along the axes that a panel does not show.

    Args:
        landscape: The landscape, of two axes or more, each axis of at least 2 points.
        **given: As `SectionsOptions` says.

    Returns:
        The axes of the panels, row by row: the curve along the first axis, the map of the first two axes, the curve
        along the second axis, and so on.

    Raises:
        TypeError: When there is no such option.
        ValueError: When the landscape has fewer axes or points, or `how` is unknown. When `at` names an unknown axis,
            is outside the range of an axis, or comes with projections. Otherwise as for `contour`.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values
        >>> from fastscape.views import sections
        >>> t = np.linspace(-1, 1, 5)
        >>> bowl = Values({"x": t, "y": t, "z": t}, {"loss": 1 + t[:, None, None] ** 2 + t[:, None] ** 2 + t**2})
        >>> panels = sections(bowl, how="min")
        >>> len(panels), panels[3].get_xlabel()
        (6, 'x (along direction 1)')
    """
    options = with_defaults(SectionsOptions, given, "sections")
    count = len(landscape.axes)
    if count < 2 or min(landscape.shape) < 2:
        raise ValueError(
            f"sections need two or more axes of at least 2 points each, got a landscape of {landscape.shape_text} "
            "points (plot draws a line)"
        )
    if not options["filled"] and not options["linewidth"] > 0:
        raise ValueError(f"filled=False with linewidth={options['linewidth']} draws nothing")
    chosen("how", options["how"], _HOW)
    shown = drawable(landscape, options)
    made = _Sections(landscape, shown, options, _places(landscape, options))
    panels = {(row, column): made.panel(row, column) for row in range(count) for column in range(row + 1)}
    return _drawn(made, panels)


def _places(landscape: Values, options: Any) -> dict[str, float]:
    """The places of the slices: a grid coordinate per axis; empty for projections."""
    given = options["at"]
    if options["how"] != "slice":
        if given is not None:
            raise ValueError(
                f"at={dict(given)!r:.80} cannot be combined with how={options['how']!r}; it is for how='slice'"
            )
        return {}
    asked = dict(given or {})
    for name in asked:
        if name not in landscape.axes:
            raise ValueError(f"at must name axes of the landscape, {', '.join(landscape.axes)}, got {name!r:.80}")
    found = {}
    for name, axis in landscape.axes.items():
        usual = 0.0 if axis.min() <= 0 <= axis.max() else float(np.sort(axis)[len(axis) // 2])
        coordinate = asked.get(name, usual)
        if not axis.min() <= coordinate <= axis.max():
            raise ValueError(
                f"at must be within the axes, got {name}={coordinate:g} for the axis from {axis.min():g} to "
                f"{axis.max():g}"
            )
        found[name] = float(axis[np.abs(axis - coordinate).argmin()])
    return found


@dataclass(frozen=True)
class _Sections:
    """The content of all panels.

    Args:
        landscape: The landscape.
        shown: The landscape made ready to be drawn.
        options: The options.
        places: The places of the slices.
    """

    landscape: Values
    shown: Drawable
    options: Any
    places: Mapping[str, float]

    def panel(self, row: int, column: int) -> np.ndarray:
        """The heights along two axes [H, W], or along one [H], sorted."""
        names = list(self.landscape.axes)
        kept = [names[k] for k in sorted({row, column})]
        gone = [name for name in names if name not in kept]
        part: Values = self.landscape
        if gone and self.options["how"] == "slice":
            part = slice_of(part, {name: self.places[name] for name in gone})
        elif gone:
            part = projection_of(part, gone, self.options["how"])
        metric, clip = self.options["metric"], self.options["clip"]
        values = part.measures[metric].copy()
        whole = self.landscape.measures[metric]
        finite = whole[np.isfinite(whole)]
        values[values == np.inf], values[values == -np.inf] = finite.max(), finite.min()  # as `heights` does
        if clip is not None:
            values = np.where(values > clip, clip, values)
            if clip > 0 and signed(metric, finite.min(), finite.max()):
                values = np.where(values < -clip, -clip, values)
        order = np.ix_(*(one for name, one in zip(names, ordered(self.landscape), strict=True) if name in kept))
        return self.shown.vertical.of(values[order])

    def said(self) -> list[str]:
        """The sentences below the panels."""
        how = self.options["how"]
        where = ", ".join(f"{name} = {at:.4g}" for name, at in self.places.items())
        said = [f"{_HOW[how]} {where}".rstrip() + "."]
        if how == "slice" and any(not self.within(mark.at) for mark in self.shown.carried.marks):
            said.append("Grey crosses: models outside the slice.")
        if self.shown.paths:
            said.append("Paths are projected along the axes not shown; their points may be outside a slice.")
        return said + [f"{sentence}." for sentence in self.shown.said()]

    def within(self, at: tuple[float, ...], kept: tuple[int, ...] = ()) -> bool:
        """Whether a place is within the slices, along all axes except `kept`."""
        if not self.places:
            return True
        steps = [np.diff(axis).max() / 2 for axis in self.shown.axes]
        units = zip(self.shown.units, self.places.values(), strict=True)
        there = [float(unit.scaled(np.array(place))) for unit, place in units]
        near = (abs(a - b) <= step for a, b, step in zip(at, there, steps, strict=True))
        return all(one for k, one in enumerate(near) if k not in kept)


def _drawn(made: _Sections, panels: Mapping[tuple[int, int], np.ndarray]) -> list[Axes]:
    import matplotlib.pyplot as plt

    shown, options, count = made.shown, made.options, len(made.landscape.axes)
    every = np.concatenate([heights.ravel() for heights in panels.values()])
    scale = options["scale"]
    if not np.isfinite(every).any():
        raise ValueError(f"{options['metric']} must be finite somewhere in these panels; choose other slices with at=")
    edges = levels_of(
        every if scale is None else shown.unit.scaled(np.array(scale)), options["levels"], shown.unit, 15
    )
    colours = colours_of(shown.vertical.metric, edges, options["cmap"], log=shown.vertical.log)
    side = _SIDE.get(count, max(_LEAST, _SIDE[3]) if count < 3 else _LEAST)
    figure = plt.figure(figsize=(side * count + 0.6, side * count + 0.5), layout="constrained")
    grid = figure.add_gridspec(count, count)
    axes, coloured = [], None
    for (row, column), heights in panels.items():
        ax = figure.add_subplot(grid[row, column])
        if row == column:
            _curve(made, ax, row, heights, (edges[0], edges[-1]))
        else:
            x, y = shown.axes[column], shown.axes[row]
            coloured = areas(ax, (x, y, heights), edges, options, colours)
            _marks(made, ax, (column, row))
            limits = {"xlim": (x[0], x[-1]), "ylim": (y[0], y[-1])}
            paths = [(path, (points[:, column], points[:, row])) for path, points in shown.paths]
            draw_paths(ax, paths, legend=False, named=False)
            ax.set(**limits)
        _labels(shown, ax, (row, column), count)
        axes.append(ax)
    _bar(figure, grid, coloured, shown.label, count)
    note_of_all(made.said(), figure)
    return axes


def _curve(made: _Sections, ax: Any, k: int, heights: np.ndarray, ends: tuple[float, float]) -> None:
    """Draws the heights along an axis."""
    x = made.shown.axes[k]
    ax.plot(x, heights, color="C0", linewidth=1.4)
    for mark in made.shown.carried.marks:
        within = made.within(mark.at, (k,))
        ax.axvline(mark.at[k], color="black" if within else "0.6", linestyle=":", linewidth=1, label=mark.name)
    margin = 0.03 * (ends[1] - ends[0])
    ax.set(xlim=(x[0], x[-1]), ylim=(ends[0] - margin, ends[1] + margin))
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")


def _marks(made: _Sections, ax: Any, axes: tuple[int, int]) -> None:
    """Draws models as crosses; only the map of the first two axes has their names."""
    marks = made.shown.carried.marks
    for mark in marks:
        at = mark.at[axes[0]], mark.at[axes[1]]
        within = made.within(mark.at, axes)
        colours = ("white", "black") if within else ("0.75", "0.35")
        (cross,) = ax.plot(*np.transpose([at]), "+", color=colours[0], ms=9, markeredgewidth=1.5, label=mark.name)
        cross.set_path_effects(outlined(2.5, colours[1]))
        if len(marks) > 1 and axes == (0, 1):
            left = at[0] > np.mean(made.shown.axes[0][[0, -1]])
            text = ax.annotate(mark.name, at, (-5 if left else 5, 5), textcoords="offset points", color="white",
                               ha="right" if left else "left", fontsize=_SMALL)  # fmt: skip
            text.set(path_effects=outlined(2, "black"), in_layout=False)


def _labels(shown: Drawable, ax: Any, place: tuple[int, int], count: int) -> None:
    """Labels the axes only at the left of the triangle, below it, and beside the curves."""
    from matplotlib.ticker import MaxNLocator

    row, column = place
    ax.tick_params(labelsize=_SMALL - 1)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    if row == count - 1:
        ax.set_xlabel(fill(shown.carried.labels[column], _WIDTH), fontsize=_SMALL)
    else:
        ax.tick_params(labelbottom=False)
    if row == column:
        ax.set_ylabel(fill(shown.label, _WIDTH), fontsize=_SMALL)
    elif column == 0:
        ax.set_ylabel(fill(shown.carried.labels[row], _WIDTH), fontsize=_SMALL)
    else:
        ax.tick_params(labelleft=False)


def _bar(figure: Any, grid: Any, coloured: Any, label: str, count: int) -> None:
    """Draws the colour bar in the free corner."""
    corner = figure.add_subplot(grid[0, 1:])
    corner.axis("off")
    place = corner.inset_axes((0.12 if count > 2 else 0.25, 0.5, 0.85 if count > 2 else 0.7, 0.08))
    bar = figure.colorbar(coloured, cax=place, orientation="horizontal")
    bar.set_label(label, fontsize=_SMALL + 1)
    bar.ax.tick_params(labelsize=_SMALL)
