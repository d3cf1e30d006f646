"""A landscape made ready for matplotlib: sorted, in units that it can draw, with labels, marks and paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastscape.results import Trajectory, Values, heights, logarithms
from fastscape.views.captions import missing_said, refinement_short, repeats_said, section_said
from fastscape.views.carried import Carried, LeftOut, Mark, bounds_of, carried, checked_path, not_drawn
from fastscape.views.plane import ordered
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit
from fastscape.views.walks import Walk

__all__ = ["Drawable", "Vertical", "drawable", "paths_of", "vertical_of"]


class Vertical(NamedTuple):
    """The scale of the heights of a picture.

    Args:
        metric: The measure that the heights show.
        log: Whether heights are logarithms.
        smallest: The value whose logarithm is drawn for values of 0.
        unit: The unit of the heights.
        label: The label of the heights, for matplotlib.
    """

    metric: str
    log: bool
    smallest: float
    unit: Unit
    label: str

    def of(self, values: np.ndarray) -> np.ndarray:
        """The heights of values in the picture.

        Args:
            values: Values of the metric; some may be NaN or infinite.

        Returns:
            Heights in their unit; NaN for values without a height.
        """
        fit = np.isfinite(values) & (values >= 0 if self.log else True)
        known = np.where(fit, values, np.nan)
        return self.unit.scaled(logarithms(known, self.smallest) if self.log else known)


@dataclass(frozen=True)
class Drawable:
    """The content of a picture of a landscape.

    Args:
        axes: Increasing coordinates of each axis, in the unit of the axis.
        units: The unit of each axis.
        heights: Heights in the shape of the grid, in their unit.
        vertical: The scale of the heights.
        order: The index that sorts a grid of the landscape.
        evaluated: Which points were evaluated.
        carried: Labels of the axes, and marks in units of the axes.
        paths: Every path that the landscape carries or that was given, with its points [n, axes] in units of the axes;
            NaN if a point has no place.
        extremes: The smallest and the largest value before clipping; infinite values count.
        notes: Sentences without their full stops: slices and projections, and predicted or missing values.
    """

    axes: list[np.ndarray]
    units: list[Unit]
    heights: np.ndarray
    vertical: Vertical
    order: tuple[np.ndarray, ...]
    evaluated: np.ndarray
    carried: Carried
    paths: list[tuple[Walk | Trajectory, np.ndarray]]
    extremes: tuple[float, float]
    notes: list[str]

    @property
    def unit(self) -> Unit:
        """The unit of the heights."""
        return self.vertical.unit

    @property
    def label(self) -> str:
        """The label of the heights."""
        return self.vertical.label

    @property
    def trajectories(self) -> list[Trajectory]:
        """The paths that are not walks on this landscape."""
        return [path for path, _ in self.paths if isinstance(path, Trajectory)]

    def said(self, *more: LeftOut) -> list[str]:
        """The sentences below the picture.

        Args:
            *more: Further parts that cannot be drawn.

        Returns:
            Sentences without their full stops.
        """
        return [*filter(None, [not_drawn([*self.carried.left_out, *more])]), *self.notes]


def paths_of(given: Any) -> list[Walk | Trajectory]:
    """Paths that were given to a picture.

    Args:
        given: Walks, trajectories and arrays of points [n, 2]; or a single one.

    Returns:
        The paths.

    Raises:
        ValueError: When a path is something else.
    """
    single = isinstance(given, Walk | Trajectory | np.ndarray)
    return [_path(one) for one in ([given] if single else given)]


def _path(given: Any) -> Walk | Trajectory:
    if isinstance(given, Walk | Trajectory):
        return given
    try:
        points = np.array(given, float)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(_no_path(f"numbers of shape {points.shape}" if points.size else type(given).__name__))
    return Trajectory("path", points)


def _no_path(came: str) -> str:
    return (
        f"a path must be a walk, as descend returns it, or points [n, 2], got {came}; for example "
        "paths=[np.array([[0, 0], [0.5, 0.5]])]"
    )


def drawable(landscape: Values, options: Any, metrics: Sequence[str] = ()) -> Drawable:
    """The content of a picture of a landscape.

    Args:
        landscape: The landscape.
        options: "metric", "log", "clip", and if given, "scale", the lowest and the highest height, and "paths", see
            `paths_of`.
        metrics: Further measures that are drawn in the same picture.

    Returns:
        Axes, heights, marks and paths, with texts that matplotlib can draw.

    Raises:
        ValueError: When `heights` refuses its arguments, or a path or an axis cannot be drawn.
    """
    order = np.ix_(*ordered(landscape))
    axes = [np.sort(axis) for axis in landscape.axes.values()]
    units = [Unit.of(axis) for axis in axes]
    z, _ = heights(landscape, options["metric"], log=options["log"], clip=options["clip"])
    found = carried(landscape)
    named = zip(landscape.axes, found.labels, units, strict=True)
    values = landscape.measures[options["metric"]]
    said = [section_said(landscape)]
    said += [refinement_short(landscape, metric) for metric in (options["metric"], *metrics)]
    said.append(repeats_said(landscape, options["metric"]))
    places = [_scaled(units, np.array([mark.at]))[0] for mark in found.marks]
    vertical = vertical_of(landscape, options)
    return Drawable(
        axes=[unit.scaled(axis) for unit, axis in zip(units, axes, strict=True)],
        units=units,
        heights=vertical.unit.scaled(z)[order],
        vertical=vertical,
        order=order,
        evaluated=landscape.evaluated[order],
        carried=Carried(
            [literal(unit.labelled(f"{name} (along {label})")) for name, label, unit in named],
            [Mark(_shown(m.name), tuple(at.tolist())) for m, at in zip(found.marks, places, strict=True)],
            left_out=found.left_out,
        ),
        paths=list(_placed(landscape, [*found.paths, *paths_of(options.get("paths", ()))], units, found)),
        extremes=(float(np.nanmin(values)), float(np.nanmax(values))),
        notes=[*filter(None, said), *missing_said(landscape, [options["metric"], *metrics])],
    )


def vertical_of(landscape: Values, options: Any) -> Vertical:
    """The scale of the heights of a picture.

    Args:
        landscape: The landscape.
        options: "metric", "log", "clip", and "scale", the lowest and the highest height, if they are given.

    Returns:
        The scale.

    Raises:
        ValueError: When `heights` refuses its arguments.
    """
    metric, scale = options["metric"], options.get("scale")
    z, label = heights(landscape, metric, log=options["log"], clip=options["clip"])
    unit = Unit.of(z if scale is None else np.array(scale, float))
    log = label != metric
    values = landscape.measures[metric]
    smallest = float(values[np.isfinite(values) & (values > 0)].min()) if log else 0.0
    return Vertical(metric, log, smallest, unit, literal(unit.labelled(cleaned(label, 2 * LABEL))))


def _placed(
    landscape: Values, paths: Sequence[Walk | Trajectory], units: list[Unit], found: Carried
) -> Iterator[tuple[Walk | Trajectory, np.ndarray]]:
    """Paths with points in units of the axes; parts of given paths that cannot be drawn are left out and named."""
    bounds = bounds_of(landscape)
    for path in paths:
        drawn = path
        if isinstance(path, Trajectory):
            if path not in found.paths:
                if path.points.shape[1] != len(bounds):
                    raise ValueError(_no_path(f"numbers of shape {path.points.shape}"))
                checked = checked_path(path.as_plain(), bounds, found.left_out)
                if checked is None:
                    continue
                path = checked
            drawn = replace(path, name=_shown(path.name))
        yield drawn, _scaled(units, path.points)


def _scaled(units: list[Unit], points: np.ndarray) -> np.ndarray:
    return np.stack([unit.scaled(column) for unit, column in zip(units, points.T, strict=True)], axis=1)


def _shown(name: str) -> str:
    return literal(cleaned(name, LABEL))
