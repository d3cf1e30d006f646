"""The store that keeps the points of a run, and the processes that share them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from fastscape.runs.distributed import Ranks, joined
from fastscape.runs.options import SurfaceOptions
from fastscape.runs.store import Store

__all__ = ["Backing", "backing_for"]


@dataclass(frozen=True)
class Backing:
    """The store and the processes of a run.

    Args:
        store: The store of finished points. Default: none, points are kept in memory.
        ranks: The processes that share the points. Default: this process alone.
    """

    store: Store | None = None
    ranks: Ranks | None = None

    @property
    def leads(self) -> bool:
        """Whether this is the first process, which plans and creates the store."""
        return self.ranks is None or self.ranks.leads

    @property
    def evaluates_first(self) -> bool:
        """Whether this process evaluates the points by which the first process decides: all of its team do."""
        return self.ranks is None or 0 in self.ranks.team

    @property
    def keeps(self) -> bool:
        """Whether this process writes the points that it has evaluated to a store: in a team, one process does."""
        return self.ranks is None or self.ranks.speaks


@contextmanager
def backing_for(options: SurfaceOptions) -> Iterator[Backing]:
    """Joins the other processes and opens the store, if the options ask for them.

    Args:
        options: The options of the run.

    Yields:
        The backing.
    """
    path = options["store"]
    with joined(options["timeout"]) if options["distributed"] else nullcontext() as ranks:
        locks = ranks is None or ranks.leads
        with nullcontext() if path is None else Store(path, locks=locks) as store:
            if store is not None and ranks is not None:
                ranks.waiting.kept = lambda: f"what {store.path} holds is safe: call the same again to go on"
            yield Backing(store, ranks)
