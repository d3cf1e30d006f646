"""Prepares the work of a request: the problem, the space, the grid and the first plan."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import (
    Comparison,
    Plan,
    plan_begun,
    plan_begun_on_gpu,
    plan_fitted_on_gpu,
    plan_recut,
    plan_settled,
    plan_shared,
    plan_sized,
    widest,
)
from fastscape.model import (
    DataHash,
    Independent,
    Objective,
    Problem,
    Reading,
    agrees_far_away,
    at_the_model,
    depends_on_batches,
    holds_dataset,
    name_of,
    origin_of,
    problem_of,
    settled,
    telling_of_the_first_batch,
    with_classes,
)
from fastscape.results import warn
from fastscape.runs.axes import chosen_axes
from fastscape.runs.backing import Backing
from fastscape.runs.curvature import differentiated_by, with_curvature
from fastscape.runs.negative_variances import negative_variances
from fastscape.runs.progress import Say, quiet
from fastscape.runs.reporting import about
from fastscape.runs.request import Request
from fastscape.runs.store import Store
from fastscape.runs.unheeded import unheeded
from fastscape.weights import PRECISIONS, AlongPath, Auto, Grid, Precision, Space

__all__ = ["Work", "prepared", "problem_parts", "widened"]

EXPECTED_SHARE = 25  # with a tolerance, one in this many points is evaluated


@dataclass(frozen=True, eq=False)
class Work:
    """The prepared work of a run.

    Args:
        problem: What is evaluated; for data in parts the first part.
        space: The space of the points.
        grid: The grid of points.
        plan: The plan, or the first plan of a search.
        dependence: How far the values depend on the microbatch.
        report: The report so far.
        comparison: The values that an engine must reproduce at the point where every coordinate is 1.
    """

    problem: Problem
    space: Space
    grid: Grid
    plan: Plan
    dependence: float
    report: dict[str, Any]
    comparison: Comparison

    @property
    def measures(self) -> int:
        """Number of sums per point."""
        return len(self.problem.objective.grids) + self.problem.objective.moments

    @property
    def recut(self) -> bool:
        """Whether a different microbatch gives the same values."""
        return not self.problem.whole and not depends_on_batches(self.dependence, self.problem.dtype)


def prepared(
    request: Request, space: Space, reading: Reading, digest: DataHash, backing: Backing, say: Say = quiet
) -> Work:
    """Prepares a run: reads the first samples, checks the model on them, chooses axes and a plan.

    Args:
        request: The request.
        space: The space of the points.
        reading: The data, of which the first part is read.
        digest: Hashes the samples.
        backing: Store and processes.
        say: Is told what is done now. Default: nobody is.

    Returns:
        The work.

    Raises:
        ValueError: When the data are not the expected data, or the losses of single samples are needed and unknown.
    """
    origin = origin_of(request.model, space.moving)  # before weights of a point are written into a lent model
    samples = next(reading.parts)
    say("checking the model on the first samples")
    digest.update(samples)
    classes = request.options["per_class"]
    columns = with_classes(request.objective.columns, classes, samples, some=request.in_parts)
    objective = replace(request.objective, columns=columns)
    problem = problem_of(request.model, space.moving, objective, samples, request.place, request.mode)
    theta, points = space.theta(problem.dtype), _expected(request)
    far = partial(_far, request, space)  # one more point in memory, while it is needed
    wide = partial(widened, request, space=space, precision=PRECISIONS["float64"])
    with telling_of_the_first_batch(problem, theta):
        begun = plan_begun(request.options["plan"], problem, space)
        begun = plan_begun_on_gpu(begun, problem, theta) if request.auto else begun
        plan = _sized(request, problem, begun, theta, points, backing)
        seen = plan.microbatch
        found = settled(problem, theta, far, seen, widened=wide, cut=request.in_parts)
    problem = found.problem
    # Whole batches are the user's batches, except for a Dataset, which has none.
    dependence = 0.0 if problem.whole and not holds_dataset(request.data) else found.dependence
    _check_losses(request, problem.objective)
    if problem.whole or depends_on_batches(dependence, problem.dtype):
        plan = _sized(
            request, problem, plan_settled(begun, problem, auto=request.auto), theta, points, backing, recut=False
        )
    else:
        plan = plan_settled(plan, problem, auto=request.auto)
    # Calling the model directly takes one more copy of the weights.
    alone = (
        None
        if request.options["low_memory"] or request.place.lent
        else Independent(request.model, request.mode, found.given)
    )
    facts, warnings = at_the_model(found, theta, seen, plain=None if alone is None else alone.loss)
    if alone is not None and facts["deterministic"] and _comparable(request):
        agrees_far_away(found, far(), alone, seen, widened=wide)
    say("")  # warnings are written where that was
    for message in warnings:  # not with the error, which says more
        warn(message)
    grid, reach, said = chosen_axes(request.axes, problem, space, plan, backing, say)
    said += unheeded(request, space, problem, theta, seen, facts["centre"])
    said += negative_variances(request, space, grid)
    problem, doubts = with_curvature(request, problem, space, grid, plan, wide)
    said += doubts
    report = about(request, origin, space)
    report |= {"samples": problem.size, "order": reading.order, "data_hash": digest.hexdigest(), "reach": reach}
    report |= {**facts, **differentiated_by(problem), "warnings": [*warnings, *said]}
    if not request.in_parts:
        request.expected.found("data_hash", report["data_hash"])
    grid = grid.repeated(request.space.repeats)
    return Work(problem, space, grid, plan, dependence, report, Comparison(plan.microbatch, found.far_total))


def _expected(request: Request) -> int:
    """Approximate number of evaluated points."""
    points = math.prod(
        axis.count if isinstance(axis, Auto | AlongPath) else len(axis) for axis in request.axes.values()
    )
    return max(points // EXPECTED_SHARE, 1) if request.refines else points


def _comparable(request: Request) -> bool:
    """Whether a plain call of the model gives the same value as an evaluation."""
    return request.options["batchnorm"] != "recalibrate" and (request.place.own or not request.place.precision.reduced)


def widened(request: Request, problem: Problem, space: Space, precision: Precision | None = None) -> Problem:
    """The same problem in a different precision, for comparison.

    Args:
        request: The request.
        problem: The problem.
        space: The space of the points.
        precision: The precision. Default: the precision of the run without reduction.

    Returns:
        The problem.

    Raises:
        RuntimeError: When the model is lent, because it has only its own precision.
    """
    place, samples = request.place.wide, problem.samples
    if place.lent is not None:
        raise RuntimeError("a lent model is evaluated in its own precision")
    if precision is not None:
        place = replace(place, precision=precision, own=False, mixed=False)
        samples = [batch.to(precision.basis) for batch in samples]
    found = problem_of(request.model, space.moving, problem.objective, samples, place, request.mode)
    return replace(found, footprint=problem.footprint, whole=problem.whole)


def _far(request: Request, space: Space) -> dict[str, Tensor]:
    """The tensors that move, at a point far from the model, where a perfect fit causes no cancellation."""
    return space.at(torch.ones(1, len(request.axes), dtype=torch.float64, device="cpu"), request.place)


def _sized(
    request: Request,
    problem: Problem,
    plan: Plan,
    tensors: Mapping[str, Tensor],
    points: int,
    backing: Backing,
    *,
    recut: bool = True,
) -> Plan:
    """The plan; if it is not given, fitted to the sizes of grid, samples and activations, and to the processes.

    Args:
        request: The request.
        problem: What is evaluated.
        plan: The first plan.
        tensors: The tensors that move, by name, at some point.
        points: Number of points of the grid.
        backing: Store and processes.
        recut: Whether batches are cut and joined. Default True.

    Returns:
        The plan.
    """
    if not request.auto:
        return plan
    recut = recut and problem.size > plan.microbatch
    if (fitted := plan_fitted_on_gpu(plan, problem, points)) is not None:
        plan = fitted
    elif plan.batching == "vmap" or recut:  # it may be too large for the outputs, or too small
        wide = widest(problem, tensors, plan.microbatch)
        plan = plan_sized(plan, wide, points)
        plan = plan_recut(plan, wide, points, problem.size) if recut else plan
    if backing.ranks is None:
        return plan
    plan = plan_shared(plan, points, len(backing.ranks.teams))
    # Processes that evaluate together need the same batches, even if their free memory differs.
    return plan if request.place.sharing is None else Plan(**backing.ranks.agreed(plan.as_dict()))


def _check_losses(request: Request, objective: Objective) -> None:
    """Refuses a loss that gives only means over batches, if its standard error is needed."""
    if request.enough is None or objective.moments:
        return
    if objective.custom is not None:
        name, instead = f"objective {name_of(objective.custom)}", "let it return one value a sample [n] as loss"
    else:
        name = f"loss {name_of(objective.loss)}"
        instead = "write for example loss=lambda output, target: F.cross_entropy(output, target, reduction='none')"
    raise ValueError(
        f"target_standard_error needs the losses of single samples, and the {name} gives one value for a batch, which "
        f"may be no plain mean over its samples; {instead}"
    )


def problem_parts(work: Work, reading: Reading, digest: DataHash, store: Store | None) -> Iterator[Problem]:
    """The problem with one part of the samples after the other.

    Args:
        work: The work, whose problem has the first part.
        reading: The data.
        digest: Hashes the samples.
        store: A store, whose parts of the data must be the same. Default: none.

    Yields:
        The problems.

    Raises:
        ValueError: When a part differs from the part with which the store was created.
    """
    problem, number, begun = work.problem, 0, 0
    while True:
        if store is not None and number < store.parts and store.digests[number] != digest.hexdigest():
            raise ValueError(
                f"part {number + 1} of the data is not that with which {store.path} was begun; give the same samples "
                "in the same order: seed what shuffles or draws"
            )
        yield problem
        begun += len(problem.batches(work.plan.microbatch))
        samples = next(reading.parts, None)
        if samples is None:
            return
        digest.update(samples)
        number += 1
        problem = replace(problem, samples=samples, begun=begun)
