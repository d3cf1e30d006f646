"""Takes the mean of values along several random directions, keeps all values, and restores them as one grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastscape.results.values import REPEAT, Values

__all__ = ["along_each", "direction_error_said", "mean_over_repeats"]


def mean_over_repeats(values: Values) -> Values:
    """The mean over random directions, with the values along each direction.

    All directions use the same samples, and only sums of the losses along each direction are kept. So the standard
    error of the mean over samples is replaced by its upper bound, the mean of the standard errors along the directions
    (triangle inequality). It reaches this bound if the samples differ in the same way along all directions.

    Args:
        values: Values whose first axis counts the repeats; other values are returned unchanged.

    Returns:
        Measures and standard error as means over the repeats; and for each measure "spread of ...", the standard
        deviation over the repeats. The report has the standard error of the mean over directions.
    """
    if REPEAT not in values.axes:
        return values
    axes = {name: axis for name, axis in values.axes.items() if name != REPEAT}
    error = values.standard_error
    with np.errstate(invalid="ignore", over="ignore"):
        means = {name: grid.mean(axis=0) for name, grid in values.measures.items()}
        spreads = {f"spread of {name}": grid.std(axis=0, ddof=1) for name, grid in values.measures.items()}
        error = None if error is None else error.mean(axis=0)
    measures = means | {name: grid for name, grid in spreads.items() if name not in means}
    found = Values(axes, measures, values.report, error, values.evaluated.all(axis=0), values.measures)
    return found.with_report({**values.report, "direction_error": direction_error_said(found)})


def along_each(values: Values) -> Values:
    """The values along each direction; the first axis is the number of the repeat.

    Args:
        values: Values of one or several repeats.

    Returns:
        The input of `mean_over_repeats`, without standard errors; values of one repeat unchanged.
    """
    if not values.repeats:
        return values
    axes = {REPEAT: np.arange(float(values.repeated)), **values.axes}
    evaluated = np.broadcast_to(values.evaluated, tuple(map(len, axes.values())))
    return Values(axes, values.repeats, values.report, None, evaluated)


def direction_error_said(values: Values) -> dict[str, Any] | None:
    """The entry of a report for the errors of the mean loss over directions.

    Args:
        values: Values with repeats.

    Returns:
        The median and the largest of the finite errors; None if no error is finite.
    """
    error = values.direction_error()
    finite = error[np.isfinite(error)]
    return {"median": float(np.median(finite)), "largest": float(finite.max())} if finite.size else None
