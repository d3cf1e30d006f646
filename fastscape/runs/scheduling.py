"""Chooses the schedule of a run from its options, and from the contents of a store."""

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

MOST_OF_A_ROUND = 8  # points of a block, for any chunk size: larger blocks would evaluate more than needed
FEW = 4  # points of a block on all samples, if most points are evaluated on a draw
AIMS = "tolerance", "tolerance_scale", "topology", "target_standard_error", "draw_samples"


def schedule_of(
    request: Request, work: Work, size: int, digest: DataHash, backing: Backing, trend: np.ndarray | None = None
) -> Schedule:
    """The schedule of a run.

    Args:
        request: The request.
        work: The prepared work.
        size: Points of a block, from `agreed_size`.
        digest: The digest of the data.
        backing: Store and processes.
        trend: Estimates for all points from a draw of the samples. Default: none.

    Returns:
        The schedule.
    """
    points, measures = len(work.grid), work.measures
    if request.refines:
        return rounds_of(request, work, size, backing, request.options["tolerance"] or 0.0, trend)
    if request.streams:
        aim: dict[str, Any] = {"aim": request.enough, "moments": work.problem.objective.moments}
        return Streaming(points, measures, size=size, digest=digest.hexdigest, **aim, backing=backing)
    alone = backing.store is None and backing.ranks is None
    return Blocks(points, measures, size=None if alone else size, backing=backing)


def rounds_of(
    request: Request, work: Work, size: int, backing: Backing, tolerance: float, trend: np.ndarray | None = None
) -> Rounds:
    """A schedule in which the values of some points decide which points are evaluated next.

    Args:
        request: The request.
        work: The prepared work.
        size: Points of a block.
        backing: Store and processes.
        tolerance: Tolerance of the surface, as a fraction of the range.
        trend: Estimates for all points from a draw of the samples. Default: none.

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
    """Points of a block, after checking that the store and the other processes belong to the same run.

    Args:
        request: The request.
        work: The prepared work.
        backing: Store and processes; a store is created or resumed.
        few: Whether few points are evaluated, each for a long time, so blocks are small. Default False.

    Returns:
        The number.

    Raises:
        ValueError: When the store, or another process, belongs to a different run.
    """
    chunk, ranks = work.plan.chunk, backing.ranks
    size = min(chunk, MOST_OF_A_ROUND) if request.refines else block_size(len(work.grid), chunk)
    if few:  # with a given plan, several processes compute the same bits as one process
        size = min(size, FEW if ranks is None or not request.auto else 1)
    # The target is not included: a run with a smaller target reads more data.
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
    # The header has further hashes for each later part.
    settings = settings | {"counts": counts.tolist()} if counts.dim() and not request.streams else settings
    return StoreAsked(
        settings, work.grid.axes, objective.grids, objective.moments, not request.refines, given,
        work.report["reach"] or {},
    )  # fmt: skip


def _counts(work: Work) -> Any:
    """Number of samples of each column of the grid."""
    return work.problem.objective.counts_of_grids(work.problem.samples)
