"""What formats that name their columns have in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from typing import NamedTuple, TypeVar

import numpy as np

from fastscape.results.values import Values

__all__ = ["Beside", "beside", "by_name", "check_names", "columns", "mesh"]

T = TypeVar("T")


def columns(values: Values, taken: Set[str] = frozenset()) -> dict[str, np.ndarray]:
    """The measures, the standard error, where some values were predicted which were not (1), and repeats, by name.

    Of what is known along several random directions, that along direction r is named "loss[r]".

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
    return found | _single(values)


def _single(values: Values) -> dict[str, np.ndarray]:
    """The measures along each direction, by name and number."""
    return {f"{name}[{r}]": grid for name, stack in values.repeats.items() for r, grid in enumerate(stack)}


def by_name(grids: Iterable[tuple[str, T]]) -> dict[str, T]:
    """What a file holds, by name.

    Args:
        grids: Names and grids, or anything else.

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
    """What stands beside the measures, in the order in which values take it.

    Args:
        standard_error: Of the loss; None where it was not there.
        evaluated: Which points were evaluated; None where it was not said.
        repeats: The measures along each of several random directions, by name.
    """

    standard_error: np.ndarray | None
    evaluated: np.ndarray | None
    repeats: dict[str, np.ndarray]


def beside(grids: dict[str, np.ndarray]) -> Beside:
    """Takes out of the columns what is no measure.

    Args:
        grids: Grids by name, as `columns` gives them.

    Returns:
        What stands beside the measures.

    Raises:
        ValueError: When it is not said of every point whether it was evaluated.
    """
    error, evaluated = grids.pop("standard_error", None), grids.pop("evaluated", None)
    if evaluated is not None and not np.isin(evaluated, (0, 1)).all():
        raise ValueError("its column evaluated has other entries than 0 and 1")
    return Beside(error, evaluated, _repeats(grids))


def _repeats(grids: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Takes out what is known along single directions: of some measures, and of each as many, from 0 on."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for name, grid in grids.items():
        one = re.fullmatch(r"(.+)\[(0|[1-9]\d{0,8})\]", name, re.DOTALL)
        if one is not None and one[1] in grids:
            found.setdefault(one[1], {})[int(one[2])] = grid
    counts = {len(single) for single in found.values()}
    whole = all(max(single) + 1 == len(single) for single in found.values())
    if len(counts) != 1 or not whole or "loss" not in found or counts == {1}:  # names of someone else's
        return {}
    for name, single in found.items():
        for r in single:
            del grids[f"{name}[{r}]"]
    return {name: np.stack([single[r] for r in range(len(single))]) for name, single in found.items()}


def check_names(values: Values, taken: Set[str] = frozenset()) -> None:
    """Refuses a metric with the name of something else in a file; see `columns`."""
    if same := (taken | {*values.axes, "standard_error", "evaluated", *_single(values)}) & values.metrics.keys():
        raise ValueError(f"a metric is named {min(same)!r}, as a part of what is written; give it another name")


def mesh(values: Values) -> list[np.ndarray]:
    """The coordinates of every grid point along each axis, each in the shape of the grid."""
    return list(np.meshgrid(*values.axes.values(), indexing="ij"))
