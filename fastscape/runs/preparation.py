"""From a request to the work that is to be done: the problem, the space, the grid and the plan to begin with."""

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
from fastscape.runs.progress import Say, quiet
from fastscape.runs.reporting import about
from fastscape.runs.request import Request
from fastscape.runs.store import Store
from fastscape.runs.unheeded import unheeded
from fastscape.weights import PRECISIONS, AlongPath, Auto, Grid, Precision, Space

__all__ = ["Work", "prepared", "problem_parts", "widened"]

EXPECTED_SHARE = 25  # with a tolerance, one of so many points is evaluated


@dataclass(frozen=True, eq=False)
class Work:
    """What is to be done.

    Args:
        problem: What is evaluated; of data in parts the first part.
        space: Where the points lie.
        grid: The points.
        plan: How to evaluate, or what to begin with.
        dependence: How far the values depend on the microbatch.
        report: What is known so far.
        comparison: What an engine is to agree with at the point of which every coordinate is 1.
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
        """Number of sums of each point."""
        return len(self.problem.objective.grids) + self.problem.objective.squares

    @property
    def recut(self) -> bool:
        """Whether another microbatch gives the same values."""
        return not self.problem.whole and not depends_on_batches(self.dependence, self.problem.dtype)


def prepared(
    request: Request, space: Space, reading: Reading, digest: DataHash, backing: Backing, say: Say = quiet
) -> Work:
    """Prepares a run: reads the first samples, checks the model on them, chooses axes and a plan.

    Args:
        request: What is asked for.
        space: Where the points lie.
        reading: The data, of which the first part is read.
        digest: Is told of the samples.
        backing: Store and processes.
        say: Is told what is done now. Default: nobody is.

    Returns:
        The work.

    Raises:
        ValueError: When the data are not those that are expected, or the losses of single samples are not known and
            wanted.
    """
    origin = origin_of(request.model, space.moving)  # before a lent model holds other weights
    samples = next(reading.parts)
    say("checking the model on the first samples")
    digest.update(samples)
    classes = request.options["per_class"]
    columns = with_classes(request.objective.columns, classes, samples, some=request.in_parts)
    objective = replace(request.objective, columns=columns)
    problem = problem_of(request.model, space.moving, objective, samples, request.place, request.mode)
    theta, points = space.theta(problem.dtype), _expected(request)
    far = partial(_far, request, space)  # one more point in memory, for as long as it is needed
    wide = partial(widened, request, space=space, precision=PRECISIONS["float64"])
    with telling_of_the_first_batch(problem, theta):
        begun = plan_begun(request.options["plan"], problem, space)
        begun = plan_begun_on_gpu(begun, problem, theta) if request.auto else begun
        plan = _sized(request, problem, begun, theta, points, backing)
        seen = plan.microbatch
        found = settled(problem, theta, far, seen, widened=wide, cut=request.in_parts)
    problem = found.problem
    # Batches that are whole are those of the user, but for a dataset, which has none.
    dependence = 0.0 if problem.whole and not holds_dataset(request.data) else found.dependence
    _check_losses(request, problem.objective)
    if problem.whole or depends_on_batches(dependence, problem.dtype):
        plan = _sized(
            request, problem, plan_settled(begun, problem, auto=request.auto), theta, points, backing, recut=False
        )
    else:
        plan = plan_settled(plan, problem, auto=request.auto)
    # The model as it is takes one more copy of the weights.
    alone = (
        None
        if request.options["low_memory"] or request.place.lent
        else Independent(request.model, request.mode, found.given)
    )
    facts, warnings = at_the_model(found, theta, seen, plain=None if alone is None else alone.loss)
    if alone is not None and facts["deterministic"] and _comparable(request):
        agrees_far_away(found, far(), alone, seen, widened=wide)
    say("")  # warnings are written where that was
    for message in warnings:  # not beside the error, which says more
        warn(message)
    grid, reach, said = chosen_axes(request.axes, problem, space, plan, backing, say)
    said += unheeded(request, space, problem, theta, seen, facts["centre"])
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
    """How many points are evaluated, about."""
    points = math.prod(
        axis.count if isinstance(axis, Auto | AlongPath) else len(axis) for axis in request.axes.values()
    )
    return max(points // EXPECTED_SHARE, 1) if request.refines else points


def _comparable(request: Request) -> bool:
    """Whether a plain call of the model gives the value of an evaluation."""
    return request.options["batchnorm"] != "recalibrate" and (request.place.own or not request.place.precision.reduced)


def widened(request: Request, problem: Problem, space: Space, precision: Precision | None = None) -> Problem:
    """The same problem in another precision, to compare with.

    Args:
        request: What is asked for.
        problem: The problem.
        space: Where the points lie.
        precision: The precision. Default: the one of the run that is not reduced.

    Returns:
        The problem.

    Raises:
        RuntimeError: When the model is lent, which has its own precision alone.
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
    """The tensors that move at a point far from the model, and from the cancellations of a perfect fit."""
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
    """The plan, where it is looked for fitted to the sizes of grid, samples and activations, and to the processes.

    Args:
        request: What is asked for.
        problem: What is evaluated.
        plan: The plan to begin with.
        tensors: The tensors that move, by name, at some point.
        points: Of the grid.
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
    elif plan.batching == "vmap" or recut:  # it may be too large for what it makes, or too small
        wide = widest(problem, tensors, plan.microbatch)
        plan = plan_sized(plan, wide, points)
        plan = plan_recut(plan, wide, points, problem.size) if recut else plan
    if backing.ranks is None:
        return plan
    plan = plan_shared(plan, points, len(backing.ranks.teams))
    # Those that evaluate together need the same batches, whatever memory each of them has free.
    return plan if request.place.sharing is None else Plan(**backing.ranks.agreed(plan.as_dict()))


def _check_losses(request: Request, objective: Objective) -> None:
    """Refuses a loss of which only means over batches are known, where its standard error matters."""
    if request.enough is None or objective.squares:
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
        digest: Is told of the samples.
        store: A store, whose parts of the data these must be. Default: none.

    Yields:
        The problems.

    Raises:
        ValueError: When a part is not that with which the store was begun.
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
