"""Labels, marks and paths of a landscape, as far as they can be drawn.

A report may come from a file of unknown origin, or be made by hand. Parts that do not have the form that a run writes
are left out, and named together with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from fastscape.results import Trajectory, Values
from fastscape.views.texts import LABEL, cleaned

__all__ = ["Carried", "LeftOut", "Mark", "bounds_of", "carried", "checked_path", "not_drawn"]

MOST = 200  # marks or paths of a picture: more would hide each other
MEASURES = 20  # measures of a path: more do not fit beside the pointer
LARGEST = 1e15  # the largest step: float64 does not distinguish larger neighbouring integers
NAMED = 8  # parts left out that a sentence names
COLUMNS = {
    "steps": "the steps",
    "off_plane": "the distances off the plane",
    "loss": "the losses",
    "height": "the losses of the plane",
}


@dataclass(frozen=True)
class Mark:
    """A place that has a name.

    Args:
        name: The name, as the report has it.
        at: Finite coordinates [axes], within the grid.
    """

    name: str
    at: tuple[float, ...]


class LeftOut(NamedTuple):
    """A part of a landscape that cannot be drawn, and the reason.

    Args:
        what: The part in words, for example 'the mark "a"'.
        why: The reason.
    """

    what: str
    why: str


@dataclass
class Carried:
    """The labels, marks and paths of a landscape that can be drawn.

    Args:
        labels: The direction of each axis in words.
        marks: The places of models.
        paths: Paths; NaN if a point has no place.
        left_out: The parts that cannot be drawn.
    """

    labels: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    paths: list[Trajectory] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def carried(landscape: Values) -> Carried:
    """The labels, marks and paths of a landscape that can be drawn.

    Args:
        landscape: The landscape. Its report may hold anything.

    Returns:
        Labels, marks and paths, and the parts that are left out.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values
        >>> report = {"marks": {"a": [1.0], "b": "here"}}
        >>> found = carried(Values({"x": np.arange(3.0)}, {"loss": np.ones(3)}, report))
        >>> found.marks, found.left_out
        ([Mark(name='a', at=(1.0,))], [LeftOut(what='the mark "b"', why='not 1 finite number')])
    """
    found = Carried()
    bounds = bounds_of(landscape)
    found.labels = list(_labels(landscape, found.left_out))
    for kind, take in {"marks": _marks, "paths": _paths}.items():
        drawn = getattr(found, kind)
        for one in take(landscape, bounds, found.left_out):
            if len(drawn) == MOST:
                found.left_out.append(LeftOut(f"all {kind} after the first {MOST}", "they would hide each other"))
                break
            drawn.append(one)
    return found


def bounds_of(landscape: Values) -> list[tuple[float, float]]:
    """The lowest and the highest coordinate of each axis.

    Args:
        landscape: The landscape.

    Returns:
        Pairs, one for each axis.
    """
    return [(float(axis.min()), float(axis.max())) for axis in landscape.axes.values()]


def not_drawn(left_out: Sequence[LeftOut]) -> str:
    """The sentence that names the parts left out.

    Args:
        left_out: The parts left out.

    Returns:
        A sentence without its full stop; empty if no part is left out.

    Example:
        >>> not_drawn([LeftOut("the mark a", "NaN"), LeftOut("the mark b", "NaN"), LeftOut("the paths", "no list")])
        'Not drawn: the mark a, the mark b (NaN), the paths (no list)'
    """
    if not left_out:
        return ""
    said = []
    for reason, things in groupby(left_out[:NAMED], lambda one: one.why):
        said.append(f"{', '.join(one.what for one in things)} ({reason})")
    if len(left_out) > NAMED:
        said.append(f"and {len(left_out) - NAMED} more")
    return f"Not drawn: {', '.join(said)}"


def _labels(landscape: Values, left_out: list[LeftOut]) -> Iterator[str]:
    usual = list(landscape.with_report({}).labels.values())
    given = landscape.report.get("labels", usual)
    if not isinstance(given, list | tuple) or len(given) != len(usual):
        left_out.append(LeftOut("the labels", f"not a list of {len(usual)}"))
        given = usual
    for axis, label, otherwise in zip(landscape.axes, given, usual, strict=True):
        if isinstance(label, str):
            yield cleaned(label, 2 * LABEL)
        else:
            left_out.append(LeftOut(f"the label of {axis}", "not a text"))
            yield otherwise


def _marks(landscape: Values, bounds: list[tuple[float, float]], left_out: list[LeftOut]) -> Iterator[Mark]:
    given = landscape.report.get("marks")
    if "marks" not in landscape.report:
        given = landscape.marks  # the default mark of a landscape made by hand
    if not isinstance(given, Mapping):
        left_out.append(LeftOut("the marks", "not places by name"))
        return
    for name, place in given.items():
        at, said = _numbers(place, len(bounds)), f'the mark "{cleaned(name, LABEL)}"'
        if not np.isfinite(at).all():
            count = f"{len(bounds)} finite number{'s' * (len(bounds) > 1)}"
            left_out.append(LeftOut(said, f"not {count}"))
        elif all(low <= coordinate <= high for (low, high), coordinate in zip(bounds, at, strict=True)):
            yield Mark(name if isinstance(name, str) else "", tuple(at))
        elif "marks" in landscape.report:
            left_out.append(LeftOut(said, "outside the grid"))


def _paths(landscape: Values, bounds: list[tuple[float, float]], left_out: list[LeftOut]) -> Iterator[Trajectory]:
    given = landscape.report.get("paths", [])
    if not isinstance(given, list | tuple):
        left_out.append(LeftOut("the paths", "not a list"))
        return
    for k, path in enumerate(given, start=1):
        found = checked_path(path, bounds, left_out, f"path {k}")
        if found is not None:
            yield found


def checked_path(
    path: Any, bounds: list[tuple[float, float]], left_out: list[LeftOut], unnamed: str = "a path"
) -> Trajectory | None:
    """The part of a path that can be drawn.

    Args:
        path: A path as plain values, or anything else.
        bounds: The lowest and the highest coordinate of each axis.
        left_out: A list, to which the parts that cannot be drawn are added.
        unnamed: The name in `left_out` of a value that is not a path. Default "a path".

    Returns:
        The path: NaN if a point has no place, and without damaged columns. None if no point is within the bounds.
    """
    places = path.get("points") if isinstance(path, Mapping) else None
    places = _listed(places)
    if not isinstance(places, list | tuple):
        left_out.append(LeftOut(unnamed, 'without "name" and "points"'))
        return None
    name = path["name"] if isinstance(path.get("name"), str) else ""
    said = f'the path "{cleaned(name, LABEL)}"'
    points = np.array([_numbers(point, len(bounds)) for point in places]).reshape(-1, len(bounds))
    lost = ~np.isfinite(points).all(axis=1)
    points[lost] = np.nan
    lows, highs = np.array(bounds).T
    outside = ((points < lows) | (points > highs)).any(axis=1)
    for why, where in {"no finite coordinates": lost, "outside the grid": outside}.items():
        if where.any():
            left_out.append(LeftOut(f"{where.sum()} of {len(points)} points of {said}", why))
    if not len(points):
        left_out.append(LeftOut(said, "no points"))
    if (lost | outside).all():
        return None
    columns = {
        column: _column(path[column], len(points), f"{what} of {said}", left_out)
        for column, what in COLUMNS.items()
        if path.get(column) is not None
    }
    steps = columns.get("steps")
    if steps is not None and not (np.abs(steps) <= LARGEST).all():
        left_out.append(LeftOut(f"the steps of {said}", f"not all of them numbers up to {LARGEST:g}"))
        columns["steps"] = None
    return Trajectory(name, points, **columns, measures=dict(_measures(path, len(points), said, left_out)))


def _measures(
    path: Mapping[str, Any], count: int, said: str, left_out: list[LeftOut]
) -> Iterator[tuple[str, np.ndarray]]:
    given = path.get("measures", {})
    if not isinstance(given, Mapping):
        left_out.append(LeftOut(f"the measures of {said}", "not columns by name"))
        return
    for k, (name, column) in enumerate(given.items()):
        if k == MEASURES:
            left_out.append(LeftOut(f"all measures of {said} after the first {MEASURES}", "there is no room for them"))
            return
        name = name if isinstance(name, str) else ""
        found = _column(column, count, f'"{cleaned(name, LABEL)}" of {said}', left_out)
        if found is not None:
            yield name, found


def _column(given: Any, count: int, said: str, left_out: list[LeftOut]) -> np.ndarray | None:
    """A number per point of a path; NaN if a point has none."""
    given = _listed(given)
    if not isinstance(given, list | tuple) or len(given) != count:
        left_out.append(LeftOut(said, f"not {count} number{'s' * (count != 1)}"))
        return None
    odd = sum(isinstance(one, bool) or not isinstance(one, int | float) for one in given)
    if odd:
        left_out.append(LeftOut(f"{odd} of {count} of {said}", "not numbers"))
    return np.array([_numbers([one], 1)[0] for one in given])


def _listed(given: Any) -> Any:
    return given.tolist() if isinstance(given, np.ndarray) else given


def _numbers(place: Any, count: int) -> list[float]:
    """The coordinates of a place; NaN if it is not a place."""
    place = _listed(place)
    place = [place] if count == 1 and not isinstance(place, list | tuple) else place
    if not isinstance(place, list | tuple) or len(place) != count:
        return [np.nan] * count
    try:
        return [np.nan if isinstance(one, str | bytes | bool) else float(one) for one in place]
    except (TypeError, ValueError, OverflowError):  # OverflowError: JSON has integers of any size
        return [np.nan] * count
