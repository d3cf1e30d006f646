"""The ledger of a run: by what it was asked for, and with what a store holds of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from fastscape.accumulation import Accumulation
from fastscape.basis import Basis
from fastscape.inspection import DataHash
from fastscape.ledger import Ledger, block_size
from fastscape.parallel import Ranks
from fastscape.plan import Plan
from fastscape.problem import Problem
from fastscape.refine import Refinement
from fastscape.refining import Refining
from fastscape.settings import Settings
from fastscape.store import Store

__all__ = ["ledger_for"]

# What of a report determines the values: a run is taken up again with the same.
_SETTINGS = (
    "loss", "metrics", "objective", "batchnorm", "training", "scheme", "normalize", "perturb", "moving", "directions",
    "distribution", "seed", "low_memory", "precision", "stream", "order", "model", "samples", "weights_hash",
    "data_hash",
)  # fmt: skip


def ledger_for(
    store: Store | None,
    ranks: Ranks | None,
    report: Mapping[str, Any],
    basis: Basis,
    axes: Sequence[np.ndarray],
    problem: Problem,
    plan: Plan,
    digest: DataHash,
    settings: Settings,
) -> Ledger:
    """What is known of the grid, and by whom the rest is evaluated.

    Args:
        store: Where points are kept, or None.
        ranks: The processes that share the points, or None.
        report: What is computed.
        basis: Theta and the directions.
        axes: Coordinates of one or two axes.
        problem: What is evaluated.
        plan: How.
        digest: Of the data.
        settings: The arguments of the call.

    Returns:
        The ledger; a store is begun or taken up.

    Raises:
        ValueError: When the store, or another process, is of another run.
    """
    points = math.prod(len(axis) for axis in axes)
    names, squares = problem.objective.names, problem.objective.squares
    streams, refines = settings.stream is not None, settings.tolerance is not None
    if store is None and ranks is None and not streams and not refines:
        return Ledger(points, len(names) + squares)
    # The target is not among them: a run with a smaller one reads on.
    same = {name: report[name] for name in _SETTINGS} | {"refined": refines}
    size = plan.chunk if refines else block_size(points, plan.chunk)
    if ranks is not None:
        wanted = {"tolerance": settings.tolerance, "log": settings.log, "standard_error": settings.standard_error}
        ranks.check_same(same | wanted | {"axes": [axis.tolist() for axis in axes]})
        size = ranks.shared("size", size)
    if store is not None:
        given = None
        if report["directions"] != "random" and isinstance(basis.vectors, Tensor):
            given = basis.vectors[1:].cpu().numpy()
        options: dict[str, Any] = {"squares": squares, "ordered": not refines, "reach": report["reach"]}
        if ranks is None or ranks.leads:
            size = store.begin(same, axes, given, names, size, **options)
        if ranks is not None:
            ranks.shared("begin")
            size = size if ranks.leads else store.begin(same, axes, given, names, size, **options)
    if streams:
        parts: dict[str, Any] = {"digest": digest.hexdigest, "aim": settings.enough}
        return Accumulation(points, len(names) + squares, size=size, **parts, store=store, ranks=ranks)
    if settings.tolerance is not None:
        x, y = axes
        refinement = Refinement(x, y, settings.tolerance, log=settings.log, size=size)
        counts: dict[str, Any] = {"named": len(names), "samples": problem.size}
        return Refining(refinement, len(names) + squares, **counts, store=store, ranks=ranks)
    return Ledger(points, len(names) + squares, size=size, store=store, ranks=ranks)
