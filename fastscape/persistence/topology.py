"""Computes the topology of a landscape: pairs, basins, and the errors of their heights."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastscape.persistence.band import errors_of
from fastscape.persistence.basins import deep_basins
from fastscape.persistence.holes import holes
from fastscape.persistence.merge_tree import MergeTree, merge_tree
from fastscape.persistence.options import TopologyOptions
from fastscape.results import Pair, TopologyValues, Values, heights, with_defaults

__all__ = ["topology_of"]

_NUMBERS = {
    "threshold": "a fraction of the range, from 0 to 1, for example 0.05",
    "confidence": "a number between 0 and 1, for example 0.95",
    "error": "a finite number from 0, in heights",
}


def topology_of(landscape: Values, given: TopologyOptions) -> TopologyValues:
    """The topology of the regions below a rising level. See `fastscape.topology`.

    Args:
        landscape: Values on a grid of any dimension.
        given: Options by name.

    Returns:
        Pairs, basins and errors. An axis whose coordinates neither rise nor fall is sorted first.

    Raises:
        ImportError: When holes are requested, and gudhi is not installed.
        TypeError: When an option does not exist, or `landscape` is no landscape.
        ValueError: When the value of an option is not allowed, or the measure is finite nowhere.
    """
    options = with_defaults(TopologyOptions, given, "topology")
    if not isinstance(landscape, Values):
        raise TypeError(
            f"landscape must be a landscape, as fastscape.surface returns it, got {type(landscape).__name__}"
        )
    values = _in_order(landscape)
    dimensions = _dimensions(options["dimensions"], len(values.axes))
    for name in _NUMBERS:
        _check_number(name, options[name])  # type: ignore[literal-required]
    grid, scale = _heights(values, options["measure"], options["log"])
    tree = merge_tree(grid)
    finite = grid[np.isfinite(grid)]
    span = min(float(finite.max()) - float(finite.min()), sys.float_info.max)
    threshold = min(options["threshold"] * span, sys.float_info.max)
    if options["error"] is not None:
        errors = {"given": float(options["error"])}
    else:
        errors = errors_of(values, options["measure"], grid, scale, options["confidence"])
    basins, labels = deep_basins(values, grid, tree, threshold, sum(errors.values()))
    asked = {name: options[name] for name in ("threshold", "confidence", "log")}
    report = {**values.report, "topology": {**asked, "dimensions": list(dimensions)}}
    report.setdefault("marks", {name: list(at) for name, at in values.marks.items()})
    pairs = _pairs(grid, tree, dimensions)
    return TopologyValues(
        values.axes, options["measure"], scale, grid, labels, pairs, basins, errors, threshold, report
    )


def _in_order(values: Values) -> Values:
    """The values with sorted axes, along which neighbours in the grid are neighbours in space."""
    orders = []
    for axis in values.axes.values():
        steps = np.diff(axis)
        orders.append(np.arange(len(axis)) if (steps > 0).all() or (steps < 0).all() else np.argsort(axis))
    if all((order == np.arange(len(order))).all() for order in orders):
        return values
    at = np.ix_(*orders)
    axes = {name: axis[order] for (name, axis), order in zip(values.axes.items(), orders, strict=True)}
    measures = {name: grid[at] for name, grid in values.measures.items()}
    repeats = {name: np.stack([grid[at] for grid in stack]) for name, stack in values.repeats.items()}
    error = None if values.standard_error is None else values.standard_error[at]
    return Values(axes, measures, values.report, error, values.evaluated[at], repeats)


def _dimensions(given: Any, axes: int) -> tuple[int, ...]:
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes)
    listed: list[Any] = list(given) if several else [None]
    if not all(isinstance(d, int | np.integer) and not isinstance(d, bool) and 0 <= d < axes for d in listed):
        raise ValueError(
            f"dimensions must be whole numbers below {axes}, the number of axes, got {given!r:.80}; for example "
            f"{tuple(range(min(axes, 2)))}"
        )
    return tuple(sorted({int(d) for d in listed}))


def _check_number(name: str, value: Any) -> None:
    if name == "error" and value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
    if not number or (name == "confidence" and not 0 < value < 1) or (name == "threshold" and value > 1):
        raise ValueError(f"{name} must be {_NUMBERS[name]}, got {value!r:.80}")


def _heights(values: Values, measure: str, log: bool | None) -> tuple[np.ndarray, str]:
    """The heights as pictures draw them, but NaN if the measure is not finite; and their scale."""
    if measure not in values.measures:
        raise ValueError(f"measure={measure!r:.80} is unknown; this landscape has {', '.join(values.measures)}")
    found, name = heights(values, measure, log=log)
    found[~np.isfinite(values.measures[measure])] = np.nan
    return found, "linear" if name == measure else "log10"


def _pairs(grid: np.ndarray, tree: MergeTree, dimensions: tuple[int, ...]) -> tuple[Pair, ...]:
    """The pairs of positive persistence: by dimension, then the most persistent first."""
    regions = {0: np.stack([tree.minima, tree.saddles], axis=1)} if 0 in dimensions else {}
    flat, made = grid.ravel(), []
    for dimension, points in {**regions, **holes(grid, [d for d in dimensions if d > 0])}.items():
        births = flat[points[:, 0]]
        deaths = np.where(points[:, 1] < 0, np.inf, flat[points[:, 1]])
        lasting = np.flatnonzero(deaths > births)
        with np.errstate(over="ignore"):
            most = births[lasting] - deaths[lasting]
        order = lasting[np.lexsort((points[lasting, 0], births[lasting], most))]
        begun = _places(points[order, 0], grid.shape)
        ended = [
            None if point < 0 else place
            for point, place in zip(points[order, 1].tolist(), _places(points[order, 1], grid.shape), strict=True)
        ]
        spans = births[order].tolist(), deaths[order].tolist()
        made += [Pair(dimension, *pair) for pair in zip(*spans, begun, ended, strict=True)]
    return tuple(made)


def _places(points: np.ndarray, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Grid indices of points of the flat grid; a point of -1, which stands for none, gets the first index."""
    return list(map(tuple, np.stack(np.unravel_index(np.maximum(points, 0), shape), axis=1).tolist()))
