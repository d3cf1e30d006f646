"""Standard errors of the excess of a line over the straight line between its ends, from single samples.

The same samples are evaluated at every point, so their common part cancels in a difference of points. The standard
error of the difference is far smaller than the standard errors of the points. It follows from the values of single
samples at three points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fastscape.model import by_sample, weights_by_sample
from fastscape.results import EXCESS_ERRORS, Values, farthest_points
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.preparation import Work

__all__ = ["with_paired_errors"]


def with_paired_errors(work: Work, done: Evaluated, values: Values) -> Values:
    """Adds to the report of a line, per measure, the standard errors of its largest and most negative excess.

    Args:
        work: The prepared work.
        done: The values, and how they were computed.
        values: A line from 0 to 1.

    Returns:
        The line. Its report omits measures without values per sample, and all measures if the samples are no longer
        in memory, as for data in parts.
    """
    problem = work.problem
    if done.samples != problem.size:
        return values
    (axis,) = values.axes.values()
    last = len(axis) - 1

    def at(index: int) -> dict[str, Tensor]:
        point = torch.tensor([[axis[index]]], dtype=torch.float64, device="cpu")
        return by_sample(problem, done.space.at(point, problem.place), done.plan.microbatch)

    places = {name: farthest_points(values, name) for name in values.measures}
    start = at(0)
    if not start:
        return values
    end, weights = at(last), weights_by_sample(problem, done.plan.microbatch)
    errors: dict[str, dict[int, float | None]] = {name: {0: 0.0, last: 0.0} for name in start}  # exactly 0
    for index in sorted({place for name in start for place in places[name]} - {0, last}):
        here, t = at(index), float(axis[index])
        for name in start:
            if index in places[name]:
                excess = here[name] - ((1 - t) * start[name] + t * end[name])
                errors[name][index] = _standard_error(excess, weights[name])
    found = {name: [known[place] for place in places[name]] for name, known in errors.items()}
    return values.with_report({**values.report, EXCESS_ERRORS: found})


def _standard_error(each: Tensor, weights: Tensor) -> float | None:
    """The standard error of sum v / sum w over samples [n], see `standard_error`; None for a single sample."""
    if len(each) < 2:
        return None
    residuals = each - each.sum() / weights.sum() * weights
    return float((residuals.square().sum() * len(each) / (len(each) - 1)).sqrt() / weights.sum())
