"""From a request to the work that is to be done: the problem, the space, the grid and the plan to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from fastscape.engine import Plan, plan_begun, plan_shared, plan_sized, widest
from fastscape.model import (
    DataHash,
    Objective,
    Problem,
    Reading,
    at_the_model,
    batch_dependence,
    depends_on_batches,
    name_of,
    origin_of,
    problem_of,
)
from fastscape.runs.axes import chosen_axes
from fastscape.runs.backing import Backing
from fastscape.runs.reporting import about
from fastscape.runs.request import Request
from fastscape.runs.store import Store
from fastscape.weights import Grid, Space

__all__ = ["Work", "prepared", "problem_parts", "widened"]

EXPECTED_SHARE = 10  # with a tolerance, one of so many points is evaluated


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
    """

    problem: Problem
    space: Space
    grid: Grid
    plan: Plan
    dependence: float
    report: dict[str, Any]

    @property
    def measures(self) -> int:
        """Number of sums of each point."""
        return len(self.problem.objective.names) + self.problem.objective.squares

    @property
    def recut(self) -> bool:
        """Whether another microbatch gives the same values."""
        free = self.problem.batchnorm == "running"
        return free and not depends_on_batches(self.dependence, self.problem.dtype)


def prepared(request: Request, space: Space, reading: Reading, digest: DataHash, backing: Backing) -> Work:
    """Prepares a run: reads the first samples, checks the model on them, chooses axes and a plan.

    Args:
        request: What is asked for.
        space: Where the points lie.
        reading: The data, of which the first part is read.
        digest: Is told of the samples.
        backing: Store and processes.

    Returns:
        The work.

    Raises:
        ValueError: When the data are not those that are expected, or the losses of single samples are not known and
            wanted.
    """
    samples = next(reading.parts)
    digest.update(samples)
    problem = problem_of(request.model, space.moving, request.objective, samples, request.place, request.mode)
    plan = plan_begun(request.options["plan"], problem, space)
    theta = space.theta(problem.dtype)
    problem = problem.known(theta, plan.microbatch)
    _check_losses(request, problem.objective)
    # The model as it is takes one more copy of the weights.
    plain = None if request.options["low_memory"] else problem.plain(request.place.precision.basis)
    facts, warnings = at_the_model(problem, theta, plan.microbatch, plain=plain)
    del plain
    grid, reach, said = chosen_axes(request.axes, problem, space, plan, backing)
    report = about(request, origin_of(request.model, space.moving), space)
    report |= {"samples": problem.size, "order": reading.order, "data_hash": digest.hexdigest(), "reach": reach}
    report |= {**facts, "warnings": [*warnings, *said]}
    if not request.streams:
        request.expected.found("data_hash", report["data_hash"])
    plan, dependence = _probed(request, problem, space, grid, plan, backing)
    return Work(problem, space, grid, plan, dependence, report)


def widened(request: Request, problem: Problem, space: Space) -> Problem:
    """The same problem in a precision that is not reduced, to compare with.

    Args:
        request: What is asked for.
        problem: The problem.
        space: Where the points lie.

    Returns:
        The problem.
    """
    return problem_of(
        request.model, space.moving, problem.objective, problem.samples, request.place.wide, request.mode
    )


def _probed(
    request: Request, problem: Problem, space: Space, grid: Grid, plan: Plan, backing: Backing
) -> tuple[Plan, float]:
    """Looks at the first grid point, which is far from the cancellations of a perfect fit.

    Returns:
        The plan, where it is looked for fitted to the sizes of grid and activations and to the number of processes;
        and how far the values depend on the microbatch.
    """
    corner = space.at(grid.points[:1], request.place)
    if request.auto:
        expected = max(len(grid) // EXPECTED_SHARE, 1) if request.refines else len(grid)
        plan = plan_sized(plan, widest(problem, corner, plan.microbatch), expected)
        plan = plan if backing.ranks is None else plan_shared(plan, expected, backing.ranks.size)
    free = problem.batchnorm == "running"
    return plan, batch_dependence(problem, corner, plan.microbatch) if free else 0.0


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
