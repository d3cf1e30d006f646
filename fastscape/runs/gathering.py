"""Chooses the number of samples of a surface with a tolerance and a target standard error.

The samples are read part by part, in a random order if the data have no order of their own. Each part is evaluated at
a few points spread over the grid, including the corners and the model. Reading stops when the standard error at each
of these points is small enough. The samples read so far then decide which points of the grid are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastscape.engine import Comparison, plan_settled
from fastscape.model import Batch, DataHash, Problem, Reading
from fastscape.runs.backing import Backing
from fastscape.runs.following import followed
from fastscape.runs.preparation import Work, problem_parts
from fastscape.runs.request import Request
from fastscape.runs.schedules import Streaming
from fastscape.weights import Grid

__all__ = ["gathered"]

ALONG = 4  # points along an axis, besides the point nearest to the model


def gathered(
    request: Request, work: Work, reading: Reading, digest: DataHash, backing: Backing
) -> tuple[Work, Reading]:
    """The work on as many samples as the target standard error needs.

    Args:
        request: The request.
        work: What is to be done, on the first part of the data.
        reading: The data.
        digest: Hashes the samples.
        backing: The processes, which share the points.

    Returns:
        The work on all samples read, and the data, of which no more are read.
    """
    ranks = None if backing.ranks is None else backing.ranks.part("samples")
    points = _spread(work.grid)
    aim: dict[str, Any] = {"aim": request.enough, "moments": work.problem.objective.moments}
    schedule = Streaming(
        len(points), work.measures, size=1, digest=digest.hexdigest, **aim, backing=Backing(ranks=ranks)
    )
    schedule.title = "choosing the samples"
    read: list[Batch] = []

    def kept(parts: Iterator[Problem]) -> Iterator[Problem]:
        for problem in parts:
            read.extend(problem.samples)
            yield problem

    parts = kept(problem_parts(work, reading, digest, None))
    followed(request, work, schedule, parts, search=False, points=points)
    problem = replace(work.problem, samples=read)
    problem = problem if problem.whole else problem.free()
    plan = plan_settled(work.plan, problem, auto=request.auto)
    report = work.report | {"samples": problem.size, "data_hash": digest.hexdigest()}
    request.expected.found("data_hash", report["data_hash"])
    work = replace(work, problem=problem, plan=plan, report=report, comparison=Comparison(plan.microbatch))
    return work, replace(reading, parts=iter(()))


def _spread(grid: Grid) -> Tensor:
    """Some points of a grid [n, axes], including the corners and the point nearest to the model."""
    places = [np.unique(np.linspace(0, n - 1, ALONG).round().astype(int)) for n in grid.shape]
    lattice = np.ravel_multi_index(np.meshgrid(*places, indexing="ij"), grid.shape).ravel()
    model = int(grid.points.square().sum(1).argmin())
    return grid.points[torch.from_numpy(np.unique([*lattice, model]))]
