"""Converts values to named columns and back, for formats with named columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from typing import NamedTuple, TypeVar

import numpy as np

from fastscape.results.values import Values

__all__ = ["Beside", "beside", "by_name", "check_names", "columns", "mesh"]

T = TypeVar("T")


def columns(values: Values, taken: Set[str] = frozenset()) -> dict[str, np.ndarray]:
    """The measures, the standard error, repeats, and if some values were predicted which were not (1), by name.

    The loss along direction r of several random directions is named "loss[r]"; likewise for other measures.

    Args:
        values: The values.
        taken: Further names that the format uses itself.

    Returns:
        Grids by name, the loss first.

    Raises:
        ValueError: When a metric has the name of a different column.
    """
    check_names(values, taken)
    found = dict(values.measures)
    if values.standard_error is not None:
        found["standard_error"] = values.standard_error
    if not values.evaluated.all():
        found["evaluated"] = values.evaluated.astype(np.float64)
    return found | _single(values)


def _single(values: Values) -> dict[str, np.ndarray]:
    """The measures along each direction, by name and number."""
    return {f"{name}[{r}]": grid for name, stack in values.repeats.items() for r, grid in enumerate(stack)}


def by_name(grids: Iterable[tuple[str, T]]) -> dict[str, T]:
    """The contents of a file, by name.

    Args:
        grids: Names and grids, or names and any other content.

    Returns:
        The grids.

    Raises:
        ValueError: When a name occurs twice, since a file keeps one grid per name.
    """
    found: dict[str, T] = {}
    for name, grid in grids:
        if name in found:
            raise ValueError(f"it holds two measures named {name!r}, rename one of them")
        found[name] = grid
    return found


class Beside(NamedTuple):
    """The columns besides the measures, in the order of the arguments of `Values`.

    Args:
        standard_error: The standard error of the loss; None if the file has none.
        evaluated: Which points were evaluated; None if the file does not say so.
        repeats: The measures along each of several random directions, by name.
    """

    standard_error: np.ndarray | None
    evaluated: np.ndarray | None
    repeats: dict[str, np.ndarray]


def beside(grids: dict[str, np.ndarray]) -> Beside:
    """Removes the columns that are no measures.

    Args:
        grids: Grids by name, as `columns` gives them.

    Returns:
        The columns besides the measures.

    Raises:
        ValueError: When the file does not say for every point whether it was evaluated.
    """
    error, evaluated = grids.pop("standard_error", None), grids.pop("evaluated", None)
    if evaluated is not None and not np.isin(evaluated, (0, 1)).all():
        raise ValueError("its column evaluated has other entries than 0 and 1")
    return Beside(error, evaluated, _repeats(grids))


def _repeats(grids: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Removes the columns along single directions: equally many for each of some measures, numbered from 0."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for name, grid in grids.items():
        one = re.fullmatch(r"(.+)\[(0|[1-9]\d{0,8})\]", name, re.DOTALL)
        if one is not None and one[1] in grids:
            found.setdefault(one[1], {})[int(one[2])] = grid
    counts = {len(single) for single in found.values()}
    whole = all(max(single) + 1 == len(single) for single in found.values())
    if len(counts) != 1 or not whole or "loss" not in found or counts == {1}:  # names of a different program
        return {}
    for name, single in found.items():
        for r in single:
            del grids[f"{name}[{r}]"]
    return {name: np.stack([single[r] for r in range(len(single))]) for name, single in found.items()}


def check_names(values: Values, taken: Set[str] = frozenset()) -> None:
    """Refuses a metric with the name of a different part of a file; see `columns`."""
    if same := (taken | {*values.axes, "standard_error", "evaluated", *_single(values)}) & values.metrics.keys():
        raise ValueError(f"a metric is named {min(same)!r}, as a part of what is written; give it another name")


def mesh(values: Values) -> list[np.ndarray]:
    """The coordinates of every grid point along each axis, each in the shape of the grid."""
    return list(np.meshgrid(*values.axes.values(), indexing="ij"))
