"""Checks values before they are written or after they are read from a file, and quotes user input in errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastscape.results.axes import known_axes
from fastscape.results.trajectory import COLUMNS
from fastscape.results.values import Values

__all__ = ["check_axis", "check_depth", "check_report", "check_values", "clipped", "parsed", "report_in"]

QUOTED = 200  # letters of an input that an error shows
LARGEST = 10**300  # integer, which a float64 can still hold
DEEPEST = 100  # levels of lists in lists in a report


def clipped(given: object) -> str:
    """The text of an input, as an error quotes it.

    Args:
        given: Anything.

    Returns:
        Its text, at most 200 letters.
    """
    text = str(given)
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def parsed(text: str | bytes) -> Any:
    """The plain values of a JSON text.

    Args:
        text: The JSON.

    Returns:
        Plain values.

    Raises:
        ValueError: When the text is no JSON, or has more than 100 levels.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    check_depth(found)
    return found


def report_in(given: Any) -> dict[str, Any]:
    """The report of a file.

    Args:
        given: The plain values of its JSON text.

    Returns:
        The report.

    Raises:
        ValueError: When they are no facts by name.
    """
    if not isinstance(given, dict):
        raise ValueError(f"its report must be facts by name, got {given!r}")
    return given


def check_values(values: Values, *, named: bool = False) -> None:
    """Refuses values that no run can have made, and that cannot be drawn.

    Args:
        values: The values.
        named: Whether the axes must have the names that a run gives, or some of these names. Default: any names.

    Raises:
        ValueError: When the coordinates of an axis are not finite or not all different, there is no loss, a name is no
            text, or labels, marks or paths of the report differ in kind from a run's.
    """
    if not values.axes or (named and not known_axes(list(values.axes))):
        came = clipped(", ".join(map(str, values.axes))) or "no axes"
        raise ValueError(f"its axes must be x, or x and y, or some of x, y, z, or x1, x2, x3 and so on, got {came}")
    if "loss" not in values.measures:
        raise ValueError(f"it has no loss, only {', '.join(map(str, values.measures)) or 'nothing'}")
    for name in (*values.axes, *values.measures):
        if not isinstance(name, str):
            raise ValueError(f"a name must be text, got {name!r}")
    for name, axis in values.axes.items():
        check_axis(name, axis)
    check_depth(values.report)
    check_report(values.report, len(values.axes))


def check_axis(name: str, axis: np.ndarray) -> None:
    """Refuses an axis whose coordinates are not finite numbers, all different.

    Args:
        name: The name of the axis.
        axis: Its coordinates.

    Raises:
        ValueError: When the axis is anything else.
    """
    if axis.ndim != 1 or not axis.size:
        raise ValueError(f"the axis {name} must be coordinates along a line, got the shape {axis.shape}")
    if not np.isfinite(axis).all():
        raise ValueError(f"the axis {name} has coordinates that are not finite")
    if np.unique(axis).size != axis.size:
        raise ValueError(f"the axis {name} must have each coordinate once")


def check_report(report: Mapping[str, Any], axes: int) -> None:
    """Refuses a report whose labels, marks or paths, which pictures read, differ in kind from a run's.

    Args:
        report: The report.
        axes: How many axes there are.

    Raises:
        ValueError: When labels, marks or paths differ in kind.
    """
    labels, marks, paths = report.get("labels", []), report.get("marks", {}), report.get("paths", [])
    if not _texts(labels) or ("labels" in report and len(labels) < axes):
        raise ValueError(f"the labels of its report must be a text for each of {axes} axes, got {labels!r}")
    if not isinstance(marks, Mapping) or not all(_coordinates(at, axes) for at in marks.values()):
        raise ValueError(f"the marks of its report must be {axes} numbers by name, got {marks!r}")
    if not isinstance(paths, list | tuple) or not all(_path(path, axes) for path in paths):
        raise ValueError(
            f"each path of its report must have a name, points of {axes} numbers, and columns of the same length, got "
            f"{paths!r}"
        )


def _texts(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(text, str) for text in given)


def _coordinates(given: Any, axes: int) -> bool:
    listed = isinstance(given, list | tuple) and len(given) == axes
    return listed and all(isinstance(c, float) or (type(c) is int and abs(c) < LARGEST) for c in given)


def _path(given: Any, axes: int) -> bool:
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        return False
    points, measures = given.get("points"), given.get("measures", {})
    if not isinstance(points, list | tuple) or not all(_coordinates(point, axes) for point in points):
        return False
    if not isinstance(measures, Mapping) or not all(isinstance(name, str) for name in measures):
        return False
    known = [given[name] for name in COLUMNS if given.get(name) is not None]
    return all(_coordinates(column, len(points)) for column in (*known, *measures.values()))


def check_depth(given: Any) -> None:
    """Refuses plain values of more than 100 levels.

    Args:
        given: The values.

    Raises:
        ValueError: When the values have more levels.
    """
    level = [given]
    for _ in range(DEEPEST):
        lists = [part for part in level if isinstance(part, list | tuple | Mapping)]
        level = [inner for part in lists for inner in (part.values() if isinstance(part, Mapping) else part)]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
