"""Paths in a picture by matplotlib: in the colours of their steps, with start, end and names of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from fastscape.results import Trajectory
from fastscape.views.figure_parts import outlined
from fastscape.views.path_looks import Look, counted, kept, look_of, marks_of, moments_of, span_of
from fastscape.views.sizes import em, letters, weight
from fastscape.views.walks import Walk

__all__ = ["DrawnPath", "Placed", "add_stems", "draw_along", "draw_paths", "step_key"]

Placed = tuple[Walk | Trajectory, tuple[np.ndarray, ...]]
"""A path, and the coordinates [n] of its points along each axis of the picture."""

INK = "#111111"
DOTS = 150  # paths with more points have no dots, which would merge into a thick line
APART = (3.5, 1.5)  # smallest distance of two names along paths, in letter sizes along x and y
NAMES = 8  # paths that the legend names
SIZE = 7  # size of the markers at the ends, in points


@dataclass
class DrawnPath:
    """A path in a picture, which can be shown up to any of its points.

    Args:
        path: The path.
        coordinates: The coordinates of its points, along each axis of the picture.
        look: The colours and the marker; None for a walk.
        wholes: Lines, each with its coordinates for the whole path.
        segments: Collections of segments, each with its segments and the number of the point at which each ends.
        end: The marker at the last point that is shown.
        names: Texts, by the number of their point.
    """

    path: Walk | Trajectory
    coordinates: tuple[np.ndarray, ...]
    look: Look | None = None
    wholes: list[tuple[Any, tuple[np.ndarray, ...]]] = field(default_factory=list)
    segments: list[tuple[Any, np.ndarray, np.ndarray]] = field(default_factory=list)
    end: Any = None
    names: dict[int, Any] = field(default_factory=dict)

    def show(self, last: int) -> None:
        """Shows the path up to a point.

        Args:
            last: The number of the point.
        """
        for line, coordinates in self.wholes:
            _place(line, [along[: last + 1] for along in coordinates])
        for lines, segments, ends in self.segments:
            lines.set_segments(segments[ends <= last])
        for number, text in self.names.items():
            text.set_visible(number <= last)
        if self.end is not None:
            _place(self.end, [along[last : last + 1] for along in self.coordinates])


def draw_paths(
    ax: Any, paths: Sequence[Placed], *, legend: bool = True, named: bool = True, taken: Sequence[np.ndarray] = ()
) -> list[DrawnPath]:
    """Draws paths: walks in white, trajectories in the colours of their steps, or in one colour without known steps.

    Args:
        ax: Axes of two or three dimensions, with final limits.
        paths: The paths.
        legend: Whether to draw a legend if a path is not a walk. Default True.
        named: Whether to write names along the paths. Default True.
        taken: Places of names that are drawn already, as fractions of the picture. Default: none.

    Returns:
        The drawn paths.
    """
    trajectories = [path for path, _ in paths if isinstance(path, Trajectory)]
    span, names = span_of(trajectories), [*taken]
    limits = [np.sort(limit) for limit in (ax.get_xlim(), ax.get_ylim())]  # before a path widens them
    looks = iter(map(look_of, range(len(trajectories))))
    found = []
    for path, coordinates in paths:
        drawn = DrawnPath(path, coordinates)
        if isinstance(path, Walk):
            # The dark line below has wider dots; outlines of the dots themselves would hide the previous dots.
            for colour, wide, dot, name in (("black", 3.5, 8, "_dark"), ("white", 1.5, 4, path.name)):
                form = {"color": colour, "linewidth": wide * weight(), "markersize": dot * weight()}
                _line(drawn, ax, ".-", zorder=11, label=name, **cast(Any, form))
        else:
            drawn.look = next(looks)
            _draw(drawn, path, ax, span)
            if named:
                _name(drawn, path, ax, limits, names)
        found.append(drawn)
    if trajectories and legend:
        _legend(ax, found)
    return found


def draw_along(ax: Any, paths: Sequence[Placed]) -> list[DrawnPath]:
    """Draws paths on the curve of a line, as dots in the colours of their steps.

    Args:
        ax: Axes of two dimensions.
        paths: The paths, with places on the curve.

    Returns:
        The drawn paths.
    """
    trajectories = [path for path, _ in paths if isinstance(path, Trajectory)]
    span, found = span_of(trajectories), []
    for number, (path, coordinates) in enumerate(paths):
        drawn = DrawnPath(path, coordinates, look_of(number))
        assert isinstance(path, Trajectory)
        assert drawn.look is not None
        _line(drawn, ax, drawn.look.marker, color=drawn.look.last, ms=5, mec=INK, mew=0.6, zorder=4, label=path.name)
        if moments_of(path) is not None:
            style = {"edgecolors": INK, "linewidths": 0.6, "marker": drawn.look.marker, "zorder": 4.5}
            ax.scatter(*coordinates, s=25, c=_colours(path, drawn.look, span), **style)
        found.append(drawn)
    return found


def add_stems(drawn: DrawnPath, ax: Any, feet: np.ndarray, tops: np.ndarray) -> None:
    """Draws the own losses of a path's checkpoints on stems, above or below the projected points.

    Args:
        drawn: The path.
        ax: Axes, whose last coordinate is the height.
        feet: Heights [n] of the projected points.
        tops: Heights [n] of the own losses; NaN for losses that are not drawn.
    """
    assert drawn.look is not None
    place = drawn.coordinates[:-1]
    there = np.stack([np.stack([*place, ends], axis=1) for ends in (feet, tops)], axis=1)
    known = np.isfinite(there).all(axis=(1, 2))
    if not known.any():
        return
    _add(drawn, ax, there[known], np.flatnonzero(known), colors=INK, linewidths=0.8, zorder=10)
    at = tuple(np.where(known, along, np.nan) for along in (*place, tops))
    style = {"markerfacecolor": drawn.look.last, "markeredgecolor": "white", "markeredgewidth": 0.5}
    _line(drawn, ax, "D", at=at, markersize=4 * weight(), zorder=11, label=f"own loss of {drawn.path.name}", **style)


def step_key(ax: Any, found: Sequence[DrawnPath], place: Any = None) -> None:
    """Draws the colours of the steps as a bar, with a row per path that has such colours.

    Args:
        ax: The axes of the picture.
        found: The paths drawn on these axes.
        place: Axes for the bar, whose limits are the first and the last step. Default: new axes beside the picture.
    """
    known = [one for one in found if isinstance(one.path, Trajectory) and moments_of(one.path) is not None]
    if not known:
        return
    paths = [one.path for one in known if isinstance(one.path, Trajectory)]
    low, high = span_of(paths)
    if place is None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        flat = not hasattr(ax, "get_zlim")
        where = {"location": "bottom" if flat else "top", "aspect": 40.0, "shrink": 0.8 if flat else 0.5, "pad": 0.02}
        bar = ax.figure.colorbar(ScalarMappable(Normalize(low, high)), ax=ax, **where)
        bar.set_label(counted(paths), fontsize=letters(0.8))
        bar.ax.tick_params(labelsize=letters())
        place = bar.ax
        for drawn in [*place.collections, *place.images]:
            drawn.set_visible(False)
        bar.outline.set_visible(False)
    fractions = np.linspace(0, 1, 256)
    rows = np.stack([one.look.at(fractions) for one in known[:NAMES] if one.look is not None][::-1])
    place.imshow(rows, extent=(low, high, *place.get_ylim()), aspect="auto", origin="lower", interpolation="nearest")


def _draw(drawn: DrawnPath, path: Trajectory, ax: Any, span: tuple[float, float]) -> None:
    """Draws the line of a path, its start and its end."""
    look = drawn.look
    assert look is not None
    dots = "." if len(path) <= DOTS else ""
    if moments_of(path) is None:
        line = _line(drawn, ax, f"{dots}-", color=look.last, linewidth=1.5, markersize=5, zorder=11, label=path.name)
        line.set_path_effects(outlined(3.5, "white"))
    else:
        # A wider dark line below makes the colours visible on every background.
        style: dict[str, Any] = {
            "linewidth": 3.6 * weight(),
            "markersize": 5 * weight(),
            "markeredgewidth": 0,
            "solid_capstyle": "round",
        }
        _line(drawn, ax, "o-" if dots else "-", color=INK, zorder=11, label=path.name, **style)
        points = np.stack(drawn.coordinates, axis=1)
        pieces = np.stack([points[:-1], points[1:]], axis=1)
        known = np.isfinite(pieces).all(axis=(1, 2))
        if known.any():
            colours = _colours(path, look, span)[1:][known]
            style = {"colors": colours, "linewidths": 2.2 * weight(), "capstyle": "round", "zorder": 11.5}
            _add(drawn, ax, pieces[known], 1 + np.flatnonzero(known), **style)
    ends = {"markersize": SIZE * weight(), "marker": look.marker, "linestyle": "none", "zorder": 12}
    there = np.flatnonzero(np.isfinite(np.stack(drawn.coordinates)).all(axis=0))
    if not len(there):
        return
    first, last = ([along[k : k + 1] for along in drawn.coordinates] for k in there[[0, -1]])
    ax.plot(*first, markerfacecolor="white", markeredgecolor=look.last, markeredgewidth=1.8, label="start", **ends)
    (drawn.end,) = ax.plot(
        *last, markerfacecolor=look.last, markeredgecolor="white", markeredgewidth=0.9, label="end", **ends
    )


def _name(drawn: DrawnPath, path: Trajectory, ax: Any, limits: list[np.ndarray], taken: list[np.ndarray]) -> None:
    """Writes names along a path, as far as there is room."""
    marks = marks_of(path)
    spread = zip(drawn.coordinates[:2], limits, strict=True)
    share = np.stack([(along - low) / (high - low) for along, (low, high) in spread], axis=1)
    share = np.where(((share >= 0) & (share <= 1)).all(axis=1, keepdims=True), share, np.nan)
    taken += [place for place in share[[0, -1]] if np.isfinite(place).all()]  # the markers at the ends
    width, height = 0.7 * ax.figure.get_figwidth(), 0.7 * ax.figure.get_figheight()
    apart = (APART[0] * em() / width, APART[1] * em() / height)
    for k in kept(share[[number for number, _ in marks]].reshape(-1, 2), taken, apart):
        number, name = marks[k]
        at = [along[number] for along in drawn.coordinates]
        if not np.isfinite(at).all():
            continue
        style = {"fontsize": letters(0.75), "color": INK, "zorder": 13}
        if len(at) == 3:
            text = ax.text(*at, f"  {name}", **style)
        else:
            before, after = share[[max(number - 1, 0), min(number + 1, len(share) - 1)]]
            rises = (after - before).prod() > 0  # if the line rises to the right, there is more room below it
            text = ax.annotate(name, at, (5, -11 if rises else 4), textcoords="offset points", **style)
        text.set(path_effects=outlined(2, "white"), in_layout=False, clip_on=True)
        drawn.names[number] = text


def _legend(ax: Any, found: Sequence[DrawnPath]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for one in found[:NAMES]:
        look = one.look
        style: dict[str, Any] = {"color": "white", "marker": ".", "path_effects": outlined(3, "black")}
        if look is not None:
            style = {"color": look.last, "marker": look.marker, "markersize": 5}
        handles.append(
            Line2D([], [], label=f" {one.path.name}", **style)
        )  # matplotlib leaves out labels that begin with _
    if len(found) > NAMES:
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(found) - NAMES} more"))
    only = found[0].look if len(found) == 1 else None
    ink = INK if only is None else only.last  # the colour of the ends; several paths have several colours
    ends = {"start": ("white", ink), "end": (ink, "white")}
    for name, (face, edge) in ends.items():
        style = {"markerfacecolor": face, "markeredgecolor": edge, "linestyle": "none", "marker": "o"}
        handles.append(Line2D([], [], label=name, **style))
    place = "best" if not hasattr(ax, "get_zlim") else "upper left"
    ax.legend(handles=handles, loc=place, fontsize=letters(), framealpha=0.8).set_zorder(14)


def _line(drawn: DrawnPath, ax: Any, form: str, at: tuple[np.ndarray, ...] | None = None, **style: Any) -> Any:
    coordinates = drawn.coordinates if at is None else at
    (line,) = ax.plot(*coordinates, form, **style)
    drawn.wholes.append((line, coordinates))
    return line


def _add(drawn: DrawnPath, ax: Any, segments: np.ndarray, ends: np.ndarray, **style: Any) -> None:
    """Adds segments [n, 2, axes] without changing the limits of the axes."""
    from matplotlib.collections import LineCollection

    if segments.shape[-1] == 2:
        lines: Any = LineCollection(list(segments), **style)
        ax.add_collection(lines, autolim=False)
    else:
        from mpl_toolkits.mplot3d.art3d import Line3DCollection

        lines = Line3DCollection(list(segments), **style)
        ax.add_collection3d(lines)
    drawn.segments.append((lines, segments, ends))


def _place(line: Any, coordinates: Sequence[np.ndarray]) -> None:
    (line.set_data if len(coordinates) == 2 else line.set_data_3d)(*coordinates)


def _colours(path: Trajectory, look: Look, span: tuple[float, float]) -> np.ndarray:
    moments, (low, high) = moments_of(path), span
    assert moments is not None
    return look.at(np.clip((moments - low) / (high - low), 0, 1))
