"""Evaluates a whole grid: an evaluator follows a schedule, with a progress bar and with signals handled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import Evaluator, Plan
from fastscape.model import Problem, shares_in
from fastscape.runs.progress import Bar
from fastscape.runs.schedules import Block, Schedule
from fastscape.runs.signals import Stops, in_charge
from fastscape.weights import Space

__all__ = ["Evaluated", "evaluate"]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The values of a grid, and how they were computed.

    Args:
        values: Means over the samples [G, measures], float64, on the CPU.
        samples: Number of samples.
        counts: Number of samples of each mean, see `Objective.counts_of_grids`.
        plan: The plan by which most points were evaluated.
        reason: Why the run gave up vmap, or images with channels last, or None.
        timings: What the planner measured; empty when a plan was given.
        space: The space, in the memory format of the plan.
        shares: Names of the measures that are fractions of samples, such as an accuracy.
    """

    values: Tensor
    samples: int
    counts: Tensor
    plan: Plan
    reason: str | None
    timings: list[dict[str, Any]]
    space: Space
    shares: tuple[str, ...] = ()

    @property
    def loss_samples(self) -> float:
        """Number of samples, by weight, of the loss."""
        return float(self.counts.flatten()[0])


def evaluate(
    parts: Iterable[Problem],
    points: Tensor,
    evaluator: Evaluator,
    schedule: Schedule,
    *,
    search: bool,
    title: str,
    progress: bool,
) -> Evaluated:
    """The means over all samples of every measure, at every point of a grid.

    Args:
        parts: The problem with one part of the samples after the other.
        points: Grid coordinates [G, D].
        evaluator: Evaluates points. It is closed at the end.
        schedule: The schedule, which chooses the points.
        search: Whether to search for a better plan.
        title: What is computed, for a progress bar.
        progress: Whether to show a progress bar on a terminal.

    Returns:
        The values, and how they were computed.
    """
    evaluator.timings, evaluator.reason = schedule.followed.timings, schedule.followed.reason
    stops = _stops(schedule)
    with Bar(schedule, title, shown=progress) as bar:
        samples, counts = 0, torch.zeros((), dtype=torch.float64, device="cpu")
        shares: dict[str, None] = {}
        try:
            for number, problem in enumerate(bar.reading(parts)):
                samples += problem.size
                objective = problem.objective
                counts = counts + objective.counts_of_grids(problem.samples)
                shares |= dict.fromkeys(shares_in(objective.custom, objective.columns, problem.samples))
                evaluator.exchange(problem)
                if number >= schedule.parts:
                    schedule.part_begun()
                    planned = torch.empty(0)
                    if search:
                        bar.now("choosing the fastest plan")
                        planned, search = _planned(points, evaluator, schedule, bar.advance), False
                    bar.now("")
                    _over(points, evaluator, schedule, planned, advance=bar.advance, stops=stops)
                    schedule.part_done(samples, counts)
                    stops.act(schedule.say_stopped)
                if number + 1 == schedule.parts and schedule.enough(samples, counts):
                    break
            means = schedule.complete() / counts
        finally:
            evaluator.close()
    found = evaluator.plan, evaluator.reason, evaluator.timings, evaluator.space
    return Evaluated(means, samples, counts, *found, tuple(shares))


def _stops(schedule: Schedule) -> Stops:
    """The object that defers signals until a block is kept, if finished blocks are kept."""
    stops = in_charge()
    if schedule.store is not None:
        stops.keep_blocks()
        if schedule.ranks is not None:
            schedule.ranks.waiting.meanwhile = partial(stops.act_if_late, schedule.say_stopped)
            schedule.ranks.waiting.kept = lambda: schedule.kept_there
    return stops


def _planned(points: Tensor, evaluator: Evaluator, schedule: Schedule, advance: Callable[[int], Any]) -> Tensor:
    """The sums of the first missing points, which the plan search evaluated."""
    return evaluator.planned(points[schedule.indices()], advance) if schedule.backing.leads else torch.empty(0)


def _over(
    points: Tensor,
    evaluator: Evaluator,
    schedule: Schedule,
    planned: Tensor,
    *,
    advance: Callable[[int], Any],
    stops: Stops,
) -> None:
    """Evaluates the missing points of the schedule on one part of the samples, block by block."""
    evaluator.plan = schedule.agreed(evaluator.plan)
    for block in schedule.claims(len(planned)):
        known, planned = planned[: len(block)], planned[len(block) :]
        whole = _block(points, block, known, evaluator, advance)
        advance(schedule.keep(block, whole, evaluator.facts))
        if schedule.keeps_blocks:
            stops.act(schedule.say_stopped)


def _block(points: Tensor, block: Block, known: Tensor, evaluator: Evaluator, advance: Callable[[int], Any]) -> Tensor:
    """The sums [points of the block, measures] of a block whose first sums are known."""
    sums = [known] if len(known) else []
    at = len(known)
    while at < len(block):
        sums.append(evaluator.sums(points[block.points[at : at + evaluator.plan.chunk]]))
        at += len(sums[-1])
        advance(len(sums[-1]))
    return torch.cat([part.cpu() for part in sums])
