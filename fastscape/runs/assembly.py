"""Turns means at points into a result: grids, standard errors, predictions and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from fastscape.engine import error_of, values_at_some
from fastscape.results import SHARES, Values
from fastscape.runs.curvature import not_reached
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.preparation import Work, widened
from fastscape.runs.reporting import evaluated, refined, warned
from fastscape.runs.request import Request
from fastscape.runs.schedules import Rounds, Schedule
from fastscape.sampling import Refinement, standard_error

__all__ = ["measured_everywhere", "precision_error", "show_round", "values_of"]


def precision_error(request: Request, work: Work, done: Evaluated) -> dict[str, Any] | None:
    """The error of a reduced precision, at a few points.

    Args:
        request: The request.
        work: The prepared work.
        done: The values, and how they were computed.

    Returns:
        See `fastscape.engine.error_of`; None if the precision is not reduced, or the model is lent and has no other
        precision.
    """
    if not request.place.precision.reduced or request.place.lent is not None:
        return None
    problem, where = work.problem, (done.space, work.grid.points, done.plan)
    whole = not (request.streams or request.refines)
    values = done.values if whole else values_at_some(problem, *where)
    return error_of(values, widened(request, problem, done.space), *where)


def measured_everywhere(work: Work, done: Evaluated, refinement: Refinement, samples: float) -> np.ndarray:
    """The estimate from a draw of the samples for the values over all samples, at every point.

    Args:
        work: The work on the draw.
        done: The values, and how they were computed.
        refinement: The refinement, which knows the evaluated points.
        samples: Number of samples, by weight, of the full loss.

    Returns:
        The measures [G, measures], predicted where they were not evaluated; in a last column, if it is known, the
        standard error that the loss would have over all samples.
    """
    grids = _grids(work, done.values.numpy())
    grids, error, _ = _filled(grids, _error(work, done, grids), refinement)
    columns = [*grids.values()]
    if error is not None:
        columns.append(error * ((done.loss_samples - 1) / (samples - 1)) ** 0.5)
    return np.stack([column.ravel() for column in columns], axis=1)


def _error(work: Work, done: Evaluated, grids: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The standard errors of the loss, if the losses of single samples are known."""
    moments = work.problem.objective.moments
    if not moments:
        return None
    last = done.values[:, -moments:].numpy().reshape(*work.grid.shape, moments)
    return standard_error(grids["loss"], last, done.loss_samples)


def values_of(request: Request, work: Work, done: Evaluated, schedule: Schedule, available: int | None) -> Values:
    """The measures as grids, with the report.

    Args:
        request: The request.
        work: The prepared work.
        done: The values, and how they were computed.
        schedule: The schedule, which knows the evaluated points.
        available: Total number of samples, if the data state it and not all may have been read.

    Returns:
        The values.
    """
    grids = _grids(work, done.values.numpy())
    error, mask, report = _error(work, done, grids), None, dict(work.report)
    if isinstance(schedule, Rounds):
        grids, error, mask = _filled(grids, error, schedule.refinement)
        report["refinement"] = refined(schedule.refinement, list(grids)) | report.pop("levels", {})
    report |= evaluated(request, done, grids, error, available) | _shares(work, done)
    dtype, microbatch = work.problem.dtype, work.plan.microbatch
    messages = warned(grids["loss"], work.report, work.dependence, dtype, microbatch) + not_reached(request, grids)
    report["warnings"] = work.report["warnings"] + messages
    return Values(work.grid.axes, grids, report, error, mask)


def _shares(work: Work, done: Evaluated) -> dict[str, Any]:
    """The measures that are fractions of samples, with the number of samples; empty if there are none."""
    if not done.shares:
        return {}
    objective = work.problem.objective
    sizes = done.counts.expand(len(objective.grids) + objective.moments).tolist()
    found = {name: round(size) for name, size in zip(objective.grids, sizes, strict=False)}
    return {SHARES: {name: found[name] for name in done.shares}}


def _grids(work: Work, means: np.ndarray) -> dict[str, np.ndarray]:
    """The measures [H, W, ...] by name, from means [G, measures or more]."""
    names = work.problem.objective.grids
    return {name: column.reshape(work.grid.shape) for name, column in zip(names, means.T, strict=False)}


def _filled(
    grids: Mapping[str, np.ndarray], error: np.ndarray | None, refinement: Refinement, *, quickly: bool = False
) -> tuple[dict[str, np.ndarray], np.ndarray | None, np.ndarray]:
    """Measures and standard errors of a run that predicted some points, and the mask of evaluated points."""
    arrays = [*grids.values(), *([] if error is None else [error])]
    shape = arrays[0].shape
    values = np.stack([array.ravel() for array in arrays], axis=1)
    whole = refinement.filled(values, quickly=quickly).T.reshape(len(arrays), *shape)
    errors = None if error is None else whole[-1]
    return dict(zip(grids, whole, strict=False)), errors, refinement.known.reshape(shape).copy()


def show_round(
    shown: Callable[[Values], Any], work: Work, refinement: Refinement, means: np.ndarray, *, drawn: bool = False
) -> None:
    """Shows a surface after a round; points not yet evaluated are predicted linearly.

    Args:
        shown: The function that gets the values.
        work: The work in progress.
        refinement: The refinement, which knows the evaluated points.
        means: The measures [G, measures]; NaN at points that were not evaluated.
        drawn: Whether the means are over a draw of the samples, so no point counts as evaluated. Default False.
    """
    grids, _, mask = _filled(_grids(work, means), None, refinement, quickly=True)
    mask &= not drawn
    facts = deepcopy(work.report) | {"refinement": refined(refinement, list(grids))}  # the function may write to it
    del facts["warnings"]
    shown(Values(work.grid.axes, grids, facts, None, mask))
