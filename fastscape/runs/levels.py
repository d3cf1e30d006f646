"""Evaluates a draw of the samples at the points that a tolerance chooses, and all samples at a few of them.

The draw is the same at every point, so its mean differs from the mean over all samples by a small and smooth
function. A refinement on the draw gives a surface to a fraction of the tolerance. A second refinement, on all
samples, interpolates the difference to this surface, and measures the error of the sum at held-out points.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fastscape.engine import Comparison
from fastscape.model import Problem, drawn
from fastscape.runs.assembly import measured_everywhere, show_round
from fastscape.runs.backing import Backing
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.following import followed, taken_up
from fastscape.runs.preparation import Work
from fastscape.runs.reporting import refined
from fastscape.runs.request import Request
from fastscape.runs.same_problem import Recheck, recheck_of
from fastscape.runs.schedules import Rounds
from fastscape.runs.scheduling import agreed_size, rounds_of
from fastscape.sampling import Refinement

__all__ = ["Level", "draw_for", "level_of"]

SEED = 0
PART = 0.5  # fraction of the tolerance for the surface of the draw
SHARE, LEAST, WORTH = 50, 1024, 8  # size of a draw: a fraction of the samples, a least number, and a largest fraction


@dataclass(frozen=True, eq=False)
class Level:
    """The result of a draw of the samples.

    Args:
        samples: Number of drawn samples.
        trend: Its estimate for all points [G, measures or more].
        done: The values on the draw, and how they were computed.
        facts: Its entries in the report.
        points: Mask of the evaluated points [G].
        gap: The side, in grid points, of the largest square without an evaluated point.
        warnings: The warnings.
    """

    samples: int
    trend: np.ndarray
    done: Evaluated
    facts: dict[str, Any]
    points: np.ndarray
    gap: int
    warnings: list[str]

    def next(self, work: Work) -> Work:
        """The remaining work: the same work, with the plan found on the draw."""
        return replace(work, plan=self.done.plan, space=self.done.space)

    def reported(self, schedule: Rounds, samples: int) -> dict[str, Any]:
        """The entries of both levels in the report.

        Args:
            schedule: The schedule on all samples.
            samples: Number of all samples.

        Returns:
            Plain values by name.
        """
        known = schedule.refinement.known
        spent = int(self.points.sum()) * self.samples + int(known.sum()) * samples
        levels = [self.facts, {"samples": samples, "points": int(known.sum()), "rounds": schedule.refinement.rounds}]
        everywhere = int((self.points | known).sum()) * samples
        counts = {"sample_evaluations": spent, "all_samples_everywhere": everywhere}
        # Narrow features show on the draw too.
        gap = min(self.gap, schedule.refinement.widest_gap())
        return {"draw_samples": self.samples, "draw_seed": SEED, "levels": levels, "widest_gap": gap, **counts}

    def told(self, done: Evaluated) -> Evaluated:
        """The values on all samples, with the plan search of the draw."""
        before = self.done
        return replace(done, timings=[*before.timings, *done.timings], reason=done.reason or before.reason)


def draw_for(request: Request, work: Work) -> Problem | None:
    """The problem on a draw of the samples, if it is requested or worthwhile.

    Args:
        request: The request.
        work: The prepared work.

    Returns:
        The problem; None if all samples are evaluated at every chosen point.

    Raises:
        ValueError: When the requested draw cannot be made.
    """
    options, samples = request.options, work.problem.size
    wanted = options["draw_samples"]
    if not options["tolerance"] or wanted == 0 or options["batchnorm"] == "recalibrate":
        return None
    if Refinement(tuple(work.grid.axes.values()), options["tolerance"]).small:  # all samples are evaluated
        return None
    if wanted == "auto":
        count = max(LEAST, samples // SHARE)
        found = drawn(work.problem, count, SEED) if count * WORTH <= samples else None
        return found if found is not None and found.size * WORTH <= samples and _has_all(found) else None
    found = drawn(work.problem, int(wanted), SEED)
    if found.size >= samples:
        raise ValueError(
            f"draw_samples={wanted} would draw all {samples} samples, which are in {len(work.problem.samples)} "
            "batches; ask for fewer, give smaller batches if a batch is one thing, or leave it out"
        )
    if not _has_all(found):
        raise ValueError(f"draw_samples={wanted} draws no sample of some class; ask for more, or leave it out")
    return found


def _has_all(problem: Problem) -> bool:
    """Whether every measure has samples."""
    return bool((problem.counts > 0).all())


def level_of(request: Request, work: Work, problem: Problem, backing: Backing) -> Level:
    """Evaluates a draw of the samples at as many points as its surface needs.

    Args:
        request: The request.
        work: The prepared work.
        problem: The problem on the draw.
        backing: Store and processes.

    Returns:
        The result.

    Raises:
        ValueError: When a store holds a different draw.
    """
    tolerance = PART * (request.options["tolerance"] or 0.0)
    report = work.report | {"samples": problem.size}
    mine = replace(work, problem=problem, comparison=Comparison(work.comparison.microbatch), report=report)
    ranks = None if backing.ranks is None else backing.ranks.part("draw")
    within = Backing(None if backing.store is None else backing.store.level(), ranks)
    size = agreed_size(request, mine, within)
    schedule = rounds_of(request, mine, size, within, tolerance)
    schedule.title = f"{problem.size:,} of {work.problem.size:,} samples"
    if request.shown is not None:
        schedule.shown = partial(show_round, request.shown, mine, schedule.refinement, drawn=True)
    mine = taken_up(request, mine, schedule)
    recheck = Recheck(request, mine, None) if within.store is None else recheck_of(request, mine, schedule)
    done = followed(request, mine, schedule, recheck.over(iter([problem])))
    refinement, names = schedule.refinement, list(problem.objective.grids)
    known = refinement.known.copy()
    facts = {"samples": problem.size, "points": int(known.sum())} | {
        name: value
        for name, value in refined(refinement, names).items()
        if name in ("tolerance", "met", "rms", "at_most", "rounds")
    }
    trend = measured_everywhere(mine, done, refinement, work.problem.loss_samples)
    return Level(problem.size, trend, done, facts, known, refinement.widest_gap(), recheck.messages)
