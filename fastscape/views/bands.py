"""The band below a picture: the own losses of a path's checkpoints, and the losses of the plane below them.

A path on a map looks as if the training had moved within the plane. In fact each checkpoint is off the plane, at a
distance that the band shows, and its own loss may differ from the loss of the plane below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from fastscape.results import Trajectory, Values
from fastscape.views.drawable import Drawable, Vertical, vertical_of
from fastscape.views.figure_parts import new_axes
from fastscape.views.path_looks import counted, moments_of
from fastscape.views.path_pictures import DrawnPath, step_key
from fastscape.views.sizes import em, letters, settled
from fastscape.views.units import Unit

__all__ = ["band_or_key", "places"]

OFF = "#555555"  # the colour of the axis on the right
MARKERS = 60  # curves with more points have no markers, which would merge into a thick line

HEADROOM = 11.0  # room for the legend above the curves: letter heights times this factor per height of the figure


def places(options: Any, shown: Drawable, layout: Any, ratio: float | None = None, **subplot: Any) -> tuple[Any, Any]:
    """The axes of a picture and the axes of its band; new axes if none are given.

    Args:
        options: "ax", "band" and "size".
        shown: The picture.
        layout: The layout of a new figure, as matplotlib names it.
        ratio: The height of the picture divided by its width if both axes have one scale; else None.
        **subplot: Options of new axes.

    Returns:
        The axes of the picture and the axes of the band; None instead of the latter without a band.

    Raises:
        ValueError: When a band is asked for and there is nothing to draw in it, or no place for it.
    """
    ax, wanted = cast(Any, options["ax"]), _wanted(shown.trajectories, options)
    given = options["band"] if wanted and not isinstance(options["band"], bool | None) else None
    if ax is not None:
        return ax, given
    ax, band = new_axes(layout, ratio, size=options["size"], band=wanted and given is None, **subplot)
    return ax, given or band


def band_or_key(
    landscape: Values, shown: Drawable, drawn: Sequence[DrawnPath], at: tuple[Any, Any], options: Any
) -> None:
    """Draws the band of a picture; without a band, draws the key to the colours of the steps.

    Args:
        landscape: The landscape.
        shown: The picture.
        drawn: The paths that were drawn on it.
        at: The axes of the picture, and the axes of the band or None.
        options: "colorbar".
    """
    ax, band = at
    if band is not None:
        _draw(band, landscape, shown, drawn)
    elif options["colorbar"]:
        step_key(ax, drawn)


def _wanted(paths: Sequence[Trajectory], options: Any) -> bool:
    """Whether a picture has a band."""
    band, known = options["band"], any(map(_known, paths))
    if band is None:
        return known and options["ax"] is None
    if band is False:
        return False
    if not known:
        raise ValueError(
            f"band must be left out if no path has losses or distances off the plane, got band={str(band)[:80]}"
        )
    if band is True and options["ax"] is not None:
        raise ValueError(
            "band=True cannot be combined with ax: there is no room below given axes; write band=axes with axes for it"
        )
    return True


def _draw(ax: Any, landscape: Values, shown: Drawable, found: Sequence[DrawnPath]) -> None:
    """Draws the own losses of the checkpoints, the losses of the plane below them, and the distances off the plane."""
    from matplotlib.ticker import MaxNLocator

    drawn = [one for one in found if isinstance(one.path, Trajectory) and _known(one.path)]
    vertical = _vertical(landscape, shown, drawn)
    losses, distances = [], []
    beside = None
    for one in drawn:
        path = cast(Trajectory, one.path)
        for column, line, name in ((path.loss, "-", "own loss"), (path.height, "--", "loss of the plane below it")):
            if _some(column):
                losses += _curve(ax, one, vertical.of(column), line, name)
    unit = Unit.of(*[_finite(path.off_plane) for path in _paths(drawn) if _some(path.off_plane)], np.zeros(1))
    for one in drawn:
        if _some(off := cast(Trajectory, one.path).off_plane):
            if beside is None:
                beside = settled(ax.twinx()) if losses else ax
                beside.set_in_layout(beside is ax)  # the labels on the right have room below the colour bar
            distances += _curve(beside, one, unit.scaled(_finite(off)), ":", "off the plane")
    ax.set_xlabel(counted(_paths(drawn)))
    if losses:
        ax.set_ylabel(vertical.label)
    if beside is not None:
        beside.set_ylabel(unit.labelled("off the plane"), color=OFF)
        beside.set_ylim(bottom=0)
        beside.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.grid(alpha=0.25)
    ax.margins(x=0.01)
    for one in filter(None, {ax, beside}):  # makes room for the legend above all curves
        (low, high), room = one.get_ylim(), HEADROOM * em() / ax.figure.get_figheight()
        one.set_ylim(low, high + room * (high - low))
    _legend(ax if beside is None else beside, losses + distances)
    _key(ax, drawn, found)


def _curve(ax: Any, one: DrawnPath, heights: np.ndarray, line: str, name: str) -> list[Any]:
    path = cast(Trajectory, one.path)
    along, known = moments_of(path), np.isfinite(heights)
    assert along is not None
    marker = "" if one.look is None or known.sum() > MARKERS or line == ":" else one.look.marker
    colour = OFF if one.look is None else one.look.last
    style = {"color": colour, "linestyle": line, "linewidth": 1.2, "marker": marker, "markersize": 3}
    drawn: list[Any] = ax.plot(along[known], heights[known], label=f"{path.name}: {name}", **style)
    return drawn


def _legend(ax: Any, lines: Sequence[Any]) -> None:
    """Draws the legend of the line styles; the legend of the picture names the paths."""
    from matplotlib.lines import Line2D

    styles = {line.get_linestyle(): line.get_label().rpartition(": ")[2] for line in lines}
    handles = [Line2D([], [], color=OFF, linestyle=style, label=name) for style, name in styles.items()]
    ax.legend(handles=handles, loc="upper center", ncols=3, fontsize=letters(0.65), framealpha=0.8, handlelength=2.6)


def _key(ax: Any, drawn: Sequence[DrawnPath], found: Sequence[DrawnPath]) -> None:
    """Draws the key to the colours of the steps, along the axis of the steps."""
    rows = sum(isinstance(one.path, Trajectory) and moments_of(one.path) is not None for one in found)
    if not rows:
        return
    bar = ax.inset_axes((0, 1.03, 1, 0.05 * min(rows, 4) + 0.02), sharex=ax)
    limits = ax.get_xlim()
    step_key(ax, found, bar)
    ax.set_xlim(limits)
    bar.set_axis_off()


def _vertical(landscape: Values, shown: Drawable, drawn: Sequence[DrawnPath]) -> Vertical:
    """The scale of the losses: the picture's scale if it shows the loss, in a unit that fits the paths' losses."""
    vertical = shown.vertical
    if vertical.metric != "loss":
        try:
            vertical = vertical_of(landscape, {"metric": "loss", "log": None, "clip": None})
        except ValueError:  # nowhere finite
            vertical = Vertical("loss", False, 0.0, Unit(), "loss")
    plain = vertical._replace(unit=Unit())
    columns = [column for path in _paths(drawn) for column in (path.loss, path.height) if _some(column)]
    unit = Unit.of(*map(plain.of, columns), np.zeros(1))
    label = f"log10 {vertical.metric}" if vertical.log else vertical.metric
    return plain._replace(unit=unit, label=unit.labelled(label))


def _paths(drawn: Sequence[DrawnPath]) -> list[Trajectory]:
    return [cast(Trajectory, one.path) for one in drawn]


def _finite(column: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(column), column, np.nan)


def _known(path: Trajectory) -> bool:
    return any(map(_some, (path.loss, path.height, path.off_plane)))


def _some(column: np.ndarray | None) -> bool:
    return column is not None and bool(np.isfinite(column).any())
