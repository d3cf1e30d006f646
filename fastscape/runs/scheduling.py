"""The schedule of a run: by what it was asked for, and with what a store holds of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from fastscape.model import DataHash
from fastscape.runs.backing import Backing
from fastscape.runs.preparation import Work
from fastscape.runs.request import Request
from fastscape.runs.same_problem import check_alike
from fastscape.runs.schedules import Blocks, Rounds, Schedule, Streaming, block_size
from fastscape.runs.store import DECISIVE, StoreAsked
from fastscape.sampling import Refinement

__all__ = ["agreed_size", "rounds_of", "schedule_of"]

MOST_OF_A_ROUND = 8  # points of a block, however many a plan evaluates together: more would be more than needed
FEW = 4  # points of a block on all samples, where most points are evaluated on a draw
AIMS = "tolerance", "tolerance_scale", "topology", "target_standard_error", "draw_samples"


def schedule_of(
    request: Request, work: Work, size: int, digest: DataHash, backing: Backing, trend: np.ndarray | None = None
) -> Schedule:
    """What is known of the grid, and by whom the rest is evaluated.

    Args:
        request: What is asked for.
        work: What is to be done.
        size: Points of a block, as `agreed_size` gives them.
        digest: Of the data.
        backing: Store and processes.
        trend: What is known of all points from a draw of the samples. Default: nothing is.

    Returns:
        The schedule.
    """
    points, measures = len(work.grid), work.measures
    if request.refines:
        return rounds_of(request, work, size, backing, request.options["tolerance"] or 0.0, trend)
    if request.streams:
        aim = request.enough
        return Streaming(points, measures, size=size, digest=digest.hexdigest, aim=aim, backing=backing)
    alone = backing.store is None and backing.ranks is None
    return Blocks(points, measures, size=None if alone else size, backing=backing)


def rounds_of(
    request: Request, work: Work, size: int, backing: Backing, tolerance: float, trend: np.ndarray | None = None
) -> Rounds:
    """A schedule of which the values of some points decide about others.

    Args:
        request: What is asked for.
        work: What is to be done.
        size: Points of a block.
        backing: Store and processes.
        tolerance: Of the surface, as a fraction of the range.
        trend: What is known of all points from a draw of the samples. Default: nothing is.

    Returns:
        The schedule.
    """
    log = request.options["tolerance_scale"] == "log10"
    threshold = request.threshold
    axes = tuple(work.grid.axes.values())
    refinement = Refinement(axes, tolerance, log=log, size=size, threshold=threshold, trend=trend)
    counts: dict[str, Any] = {"named": len(work.problem.objective.grids), "counts": _counts(work)}
    return Rounds(refinement, work.measures, **counts, backing=backing)


def agreed_size(request: Request, work: Work, backing: Backing, *, few: bool = False) -> int:
    """Points of a block, once the store and the other processes are of the same run.

    Args:
        request: What is asked for.
        work: What is to be done.
        backing: Store and processes; a store is begun or taken up.
        few: Whether few points are evaluated, each for long, so that blocks are small. Default False.

    Returns:
        The number.

    Raises:
        ValueError: When the store, or another process, is of another run.
    """
    chunk, ranks = work.plan.chunk, backing.ranks
    size = min(chunk, MOST_OF_A_ROUND) if request.refines else block_size(len(work.grid), chunk)
    if few:  # with a plan that is given, several processes compute the bits of one
        size = min(size, FEW if ranks is None or not request.auto else 1)
    # The target is not among them: a run with a smaller one reads on.
    same = {name: work.report[name] for name in DECISIVE} | {"refined": request.refines}
    if ranks is not None:
        axes = {name: axis.tolist() for name, axis in work.grid.axes.items()}
        options = dict(request.options)
        aims = {name: options[name] for name in AIMS}
        ranks.check_same(same | aims | {"axes": axes})
        check_alike(work, ranks)
        size = ranks.shared("size", size)
    if backing.store is None:
        return size
    asked = _store_asked(request, work, same)
    if backing.leads:
        size = backing.store.begin(asked, size)
    if ranks is not None:
        ranks.shared("begin")
        size = size if ranks.leads else backing.store.begin(asked, size)
    return size


def _store_asked(request: Request, work: Work, settings: dict[str, Any]) -> StoreAsked:
    given, vectors = None, work.space.basis.vectors
    if work.report["directions"] != "random" and isinstance(vectors, Tensor):
        given = vectors[1:].cpu().numpy()
    objective, counts = work.problem.objective, _counts(work)
    # With those of parts that come later, the header has others for each part.
    settings = settings | {"counts": counts.tolist()} if counts.dim() and not request.streams else settings
    return StoreAsked(
        settings, work.grid.axes, objective.grids, objective.squares, not request.refines, given,
        work.report["reach"] or {},
    )  # fmt: skip


def _counts(work: Work) -> Any:
    """Over how many samples each column of the grid is."""
    return work.problem.objective.counts_of_grids(work.problem.samples)
