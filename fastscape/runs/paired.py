"""Standard errors of what a line has over the line between its ends, sample by sample.

The same samples are evaluated at every point, so what they have in common cancels in a difference of points: its
standard error is far smaller than those of the points. It follows from the values of single samples at three points.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fastscape.model import by_sample
from fastscape.results import EXCESS_ERRORS, Values, farthest_points
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.preparation import Work

__all__ = ["with_paired_errors"]


def with_paired_errors(work: Work, done: Evaluated, values: Values) -> Values:
    """A line with the standard errors of its largest and its most negative excess, of each measure, in the report.

    Args:
        work: What was done.
        done: What came of it.
        values: A line from 0 to 1.

    Returns:
        The line. Its report says nothing of measures without values of samples, and nothing of any measure where the
        samples are no longer in memory, as those of data in parts.
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
    end = at(last)
    errors: dict[str, dict[int, float | None]] = {name: {0: 0.0, last: 0.0} for name in start}  # of 0, exactly
    for index in sorted({place for name in start for place in places[name]} - {0, last}):
        here, t = at(index), float(axis[index])
        for name in start:
            if index in places[name]:
                errors[name][index] = _standard_error(here[name] - ((1 - t) * start[name] + t * end[name]))
    found = {name: [known[place] for place in places[name]] for name, known in errors.items()}
    return values.with_report({**values.report, EXCESS_ERRORS: found})


def _standard_error(each: Tensor) -> float | None:
    """The standard error of a mean over samples [n]; None for a single one."""
    if len(each) < 2:
        return None
    return float(each.std(correction=1) / np.sqrt(len(each)))
