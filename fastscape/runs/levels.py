"""Many samples, few of them everywhere: a draw at the points that a tolerance chooses, all samples at few of them.

The draw is the same at every point, so its mean differs from that over all samples by a small and smooth function.
A refinement on the draw gives a surface, to a part of the tolerance; a second one, on all samples, interpolates the
difference to it, and judges the sum at points that it had not seen.
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
PART = 0.5  # of the tolerance, for the surface of the draw
SHARE, LEAST, WORTH = 50, 1024, 8  # a draw is so small a part of the samples, but of so many; and at most such a part


@dataclass(frozen=True, eq=False)
class Level:
    """What a draw of the samples has shown.

    Args:
        samples: How many were drawn.
        trend: What it says of all points [G, measures or more].
        done: What came of it.
        facts: What the report says of it.
        points: Which points were evaluated [G].
        gap: The side, in grid points, of the largest square without any.
        warnings: That were given.
    """

    samples: int
    trend: np.ndarray
    done: Evaluated
    facts: dict[str, Any]
    points: np.ndarray
    gap: int
    warnings: list[str]

    def next(self, work: Work) -> Work:
        """The work that is left: the same, by the plan that was found on the draw."""
        return replace(work, plan=self.done.plan, space=self.done.space)

    def reported(self, schedule: Rounds, samples: int) -> dict[str, Any]:
        """What the report says of both levels.

        Args:
            schedule: Of all samples.
            samples: How many these are.

        Returns:
            Plain values by name.
        """
        known = schedule.refinement.known
        spent = int(self.points.sum()) * self.samples + int(known.sum()) * samples
        levels = [self.facts, {"samples": samples, "points": int(known.sum()), "rounds": schedule.refinement.rounds}]
        everywhere = int((self.points | known).sum()) * samples
        counts = {"sample_evaluations": spent, "all_samples_everywhere": everywhere}
        # What is narrow is seen on the draw too.
        gap = min(self.gap, schedule.refinement.widest_gap())
        return {"draw_samples": self.samples, "draw_seed": SEED, "levels": levels, "widest_gap": gap, **counts}

    def told(self, done: Evaluated) -> Evaluated:
        """What came of the level above, with how its plan was found, which was here."""
        before = self.done
        return replace(done, timings=[*before.timings, *done.timings], reason=done.reason or before.reason)


def draw_for(request: Request, work: Work) -> Problem | None:
    """The problem on a draw of the samples, where it is asked for, or pays.

    Args:
        request: What is asked for.
        work: What is to be done.

    Returns:
        The problem; None where all samples are evaluated at every point that is chosen.

    Raises:
        ValueError: When a draw is asked for that cannot be made.
    """
    options, samples = request.options, work.problem.size
    wanted = options["draw_samples"]
    if not options["tolerance"] or wanted == 0 or options["batchnorm"] == "recalibrate":
        return None
    if Refinement(tuple(work.grid.axes.values()), options["tolerance"]).small:  # all of it is evaluated
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
    """Evaluates a draw of the samples at as many points as its surface takes.

    Args:
        request: What is asked for.
        work: What is to be done.
        problem: The problem on the draw.
        backing: Store and processes.

    Returns:
        What it has shown.

    Raises:
        ValueError: When what a store holds is of another draw.
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
