"""What formats that name their columns have in common."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import TypeVar

import numpy as np

from fastscape.results.values import Values

__all__ = ["beside", "by_name", "check_names", "columns", "mesh"]

T = TypeVar("T")


def columns(values: Values, taken: Set[str] = frozenset()) -> dict[str, np.ndarray]:
    """The measures, the standard error, and where some values were predicted which were not (1), by name.

    Args:
        values: The values.
        taken: Further names that the format uses itself.

    Returns:
        Grids by name, the loss first.

    Raises:
        ValueError: When a metric has the name of something else.
    """
    check_names(values, taken)
    found = dict(values.measures)
    if values.standard_error is not None:
        found["standard_error"] = values.standard_error
    if not values.evaluated.all():
        found["evaluated"] = values.evaluated.astype(np.float64)
    return found


def by_name(grids: Iterable[tuple[str, T]]) -> dict[str, T]:
    """What a file holds, by name.

    Args:
        grids: Names and grids, or anything else.

    Returns:
        The grids.

    Raises:
        ValueError: When a name comes twice, of which only one could be kept.
    """
    found: dict[str, T] = {}
    for name, grid in grids:
        if name in found:
            raise ValueError(f"it holds two measures named {name!r}, rename one of them")
        found[name] = grid
    return found


def beside(grids: dict[str, np.ndarray]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Takes out of the columns what is no measure.

    Args:
        grids: Grids by name, as `columns` gives them.

    Returns:
        The standard error, and which points were evaluated; None for what was not there.

    Raises:
        ValueError: When it is not said of every point whether it was evaluated.
    """
    error, evaluated = grids.pop("standard_error", None), grids.pop("evaluated", None)
    if evaluated is not None and not np.isin(evaluated, (0, 1)).all():
        raise ValueError("its column evaluated has other entries than 0 and 1")
    return error, evaluated


def check_names(values: Values, taken: Set[str] = frozenset()) -> None:
    """Refuses a metric with the name of something else in a file; see `columns`."""
    if same := (taken | {*values.axes, "standard_error", "evaluated"}) & values.metrics.keys():
        raise ValueError(f"a metric is named {min(same)!r}, as a part of what is written; give it another name")


def mesh(values: Values) -> list[np.ndarray]:
    """The coordinates of every grid point along each axis, each in the shape of the grid."""
    return list(np.meshgrid(*values.axes.values(), indexing="ij"))
