"""The schedule of a run: by what it was asked for, and with what a store holds of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from fastscape.model import DataHash
from fastscape.runs.backing import Backing
from fastscape.runs.preparation import Work
from fastscape.runs.request import Request
from fastscape.runs.same_problem import check_alike
from fastscape.runs.schedules import Blocks, Rounds, Schedule, Streaming, block_size
from fastscape.runs.store import DECISIVE, StoreAsked
from fastscape.sampling import Refinement

__all__ = ["schedule_of"]


def schedule_of(request: Request, work: Work, digest: DataHash, backing: Backing) -> Schedule:
    """What is known of the grid, and by whom the rest is evaluated.

    Args:
        request: What is asked for.
        work: What is to be done.
        digest: Of the data.
        backing: Store and processes.

    Returns:
        The schedule; a store is begun or taken up.

    Raises:
        ValueError: When the store, or another process, is of another run.
    """
    size = _agreed_size(request, work, backing)
    points, measures = len(work.grid), work.measures
    if request.streams:
        aim = request.enough
        return Streaming(points, measures, size=size, digest=digest.hexdigest, aim=aim, backing=backing)
    tolerance = request.options["tolerance"]
    if tolerance is not None:
        log = request.options["tolerance_scale"] == "log10"
        x, y = work.grid.axes.values()
        refinement = Refinement(x, y, tolerance, log=log, size=size)
        counts: dict[str, Any] = {"named": len(work.problem.objective.names), "samples": work.problem.size}
        return Rounds(refinement, measures, **counts, backing=backing)
    alone = backing.store is None and backing.ranks is None
    return Blocks(points, measures, size=None if alone else size, backing=backing)


def _agreed_size(request: Request, work: Work, backing: Backing) -> int:
    """Points of a block, once the store and the other processes are of the same run."""
    chunk, ranks = work.plan.chunk, backing.ranks
    size = chunk if request.refines else block_size(len(work.grid), chunk)
    # The target is not among them: a run with a smaller one reads on.
    same = {name: work.report[name] for name in DECISIVE} | {"refined": request.refines}
    if ranks is not None:
        axes = {name: axis.tolist() for name, axis in work.grid.axes.items()}
        options = dict(request.options)
        aims = {name: options[name] for name in ("tolerance", "tolerance_scale", "target_standard_error")}
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
    objective = work.problem.objective
    return StoreAsked(
        settings, work.grid.axes, objective.names, objective.squares, not request.refines, given,
        work.report["reach"] or {},
    )  # fmt: skip
