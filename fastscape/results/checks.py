"""What is made sure of before values are written or handed on from a file, and how an error quotes what came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastscape.results.axes import known_axes
from fastscape.results.trajectory import COLUMNS
from fastscape.results.values import Values

__all__ = ["check_axis", "check_depth", "check_report", "check_values", "clipped", "parsed", "report_in"]

QUOTED = 200  # letters of what came that an error shows
LARGEST = 10**300  # integer, which a float64 can still hold
DEEPEST = 100  # levels of lists in lists in a report


def clipped(given: object) -> str:
    """What came, as an error quotes it.

    Args:
        given: Anything.

    Returns:
        Its text, at most 200 letters of it.
    """
    text = str(given)
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def parsed(text: str | bytes) -> Any:
    """What JSON says.

    Args:
        text: The JSON.

    Returns:
        Plain values.

    Raises:
        ValueError: When it is no JSON, or has more than 100 levels.
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
        given: What its JSON says.

    Returns:
        The report.

    Raises:
        ValueError: When that is something else.
    """
    if not isinstance(given, dict):
        raise ValueError(f"its report must be facts by name, got {given!r}")
    return given


def check_values(values: Values, *, named: bool = False) -> None:
    """Refuses values that no run can have made, and that pictures and walks could do nothing with.

    Args:
        values: The values.
        named: Whether the axes have the names that a run gives them, or some of these. Default: any.

    Raises:
        ValueError: When an axis is not one of finite numbers that are all different, there is no loss, a name is no
            text, or the report has labels, marks or paths of other kinds than a run gives it.
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
    """Refuses an axis that is not one of finite numbers, which are all different.

    Args:
        name: Of the axis.
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
    """Refuses a report in which what pictures read is of other kinds than a run gives it.

    Args:
        report: The report.
        axes: How many axes there are.

    Raises:
        ValueError: When it has labels, marks or paths of other kinds.
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
        ValueError: When they have more.
    """
    level = [given]
    for _ in range(DEEPEST):
        lists = [part for part in level if isinstance(part, list | tuple | Mapping)]
        level = [inner for part in lists for inner in (part.values() if isinstance(part, Mapping) else part)]
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
