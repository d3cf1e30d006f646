"""A landscape made ready to be drawn by matplotlib: sorted, in units that it can draw, with what it carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastscape.results import Trajectory, Values, heights
from fastscape.views.captions import missing_said, refinement_said
from fastscape.views.carried import Carried, LeftOut, Mark, carried, not_drawn
from fastscape.views.plane import ordered
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit
from fastscape.views.walks import Walk

__all__ = ["Drawable", "drawable", "paths_of"]


@dataclass(frozen=True)
class Drawable:
    """What a picture of a landscape shows.

    Args:
        axes: Increasing coordinates, of each axis, in its unit.
        units: The unit of each axis.
        heights: Heights in the shape of the grid, in their unit.
        unit: The unit of the heights.
        label: The label of the heights.
        order: The index of a grid of the landscape that sorts it.
        evaluated: Which points were evaluated.
        carried: Labels of the axes, and marks and paths in their units.
        notes: Sentences without their full stops: on values that are predicted or missing.
    """

    axes: list[np.ndarray]
    units: list[Unit]
    heights: np.ndarray
    unit: Unit
    label: str
    order: tuple[np.ndarray, ...]
    evaluated: np.ndarray
    carried: Carried
    notes: list[str]

    def all_paths(self, given: Any) -> Iterator[tuple[Walk | Trajectory, np.ndarray]]:
        """Every path with its points in units of the axes.

        Args:
            given: Paths that are drawn besides those that the landscape carries, see `paths_of`.

        Yields:
            A path, and its points [n, axes].
        """
        for path in self.carried.paths:
            yield path, path.points
        for other in paths_of(given):
            yield other, _scaled(self.units, other.points)

    def said(self, *more: LeftOut) -> list[str]:
        """What stands below the picture.

        Args:
            *more: What else cannot be drawn.

        Returns:
            Sentences without their full stops.
        """
        return [*self.notes, *filter(None, [not_drawn([*self.carried.left_out, *more])])]


def paths_of(given: Any) -> list[Walk | Trajectory]:
    """Paths that were given to a picture.

    Args:
        given: Walks, trajectories and arrays of points [n, 2]; or a single one.

    Returns:
        The paths.

    Raises:
        ValueError: When one of them is something else.
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
        came = f"numbers of shape {points.shape}" if points.size else type(given).__name__
        raise ValueError(
            f"a path came as {came}; wanted a walk, as descend returns it, or points [n, 2], for example "
            "paths=[np.array([[0, 0], [0.5, 0.5]])]"
        )
    return Trajectory("path", points)


def drawable(landscape: Values, options: Any, metrics: Sequence[str] = ()) -> Drawable:
    """What a picture of a landscape shows.

    Args:
        landscape: The landscape.
        options: "metric", "log", "clip", and "scale", the lowest and the highest height if they are given.
        metrics: Further measures that are drawn beside it.

    Returns:
        Axes, heights, and what is drawn on them, with texts that matplotlib can draw.

    Raises:
        ValueError: When `heights` refuses its arguments, or an axis is none that can be drawn.
    """
    order = np.ix_(*ordered(landscape))
    axes = [np.sort(axis) for axis in landscape.axes.values()]
    units = [Unit.of(axis) for axis in axes]
    z, label = heights(landscape, options["metric"], log=options["log"], clip=options["clip"])
    unit = Unit.of(z) if options.get("scale") is None else Unit.of(np.array(options["scale"], float))
    found = carried(landscape)
    named = zip(landscape.axes, found.labels, units, strict=True)
    predicted = [refinement_said(landscape, metric) for metric in (options["metric"], *metrics)]
    places = [_scaled(units, np.array([mark.at]))[0] for mark in found.marks]
    return Drawable(
        axes=[unit.scaled(axis) for unit, axis in zip(units, axes, strict=True)],
        units=units,
        heights=unit.scaled(z)[order],
        unit=unit,
        label=literal(unit.labelled(cleaned(label, 2 * LABEL))),
        order=order,
        evaluated=landscape.evaluated[order],
        carried=Carried(
            [literal(unit.labelled(f"{name} (along {label})")) for name, label, unit in named],
            [Mark(_shown(m.name), tuple(at.tolist())) for m, at in zip(found.marks, places, strict=True)],
            [Trajectory(_shown(path.name), _scaled(units, path.points)) for path in found.paths],
            found.left_out,
        ),
        notes=[*filter(None, predicted), *missing_said(landscape, [options["metric"], *metrics])],
    )


def _scaled(units: list[Unit], points: np.ndarray) -> np.ndarray:
    return np.stack([unit.scaled(column) for unit, column in zip(units, points.T, strict=True)], axis=1)


def _shown(name: str) -> str:
    return literal(cleaned(name, LABEL))
