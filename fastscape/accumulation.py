"""The sums of a grid over data that come in parts: every point is evaluated on a part before the next one is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from tqdm import tqdm

from fastscape.enough import Enough, Spread, joint, spread_of_sums
from fastscape.ledger import Block, Ledger, joined_points
from fastscape.parallel import Ranks
from fastscape.plan import Plan
from fastscape.store import Store

__all__ = ["Accumulation"]


class Accumulation(Ledger):
    """A ledger whose sums grow with every part of the data, and are kept after each.

    Several processes share the blocks evenly: each reads all data, for its own points. With a store they wait for each
    other after every part.

    Args:
        points: Number of points G.
        measures: Number of sums of each point.
        size: Points of a block.
        digest: What tells the data so far from others.
        aim: When no more data are read. Default: at their end.
        store: Where the sums are kept after every part. Default: in memory alone.
        ranks: The processes that share the blocks. Default: this one alone.
    """

    keeps_blocks = False

    def __init__(
        self,
        points: int,
        measures: int,
        *,
        size: int,
        digest: Callable[[], str],
        aim: Enough | None = None,
        store: Store | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(points, measures, size=size)
        self.store, self.ranks, self.total = store, ranks, None
        self.digest, self.aim = digest, aim
        self.sums.zero_()
        if ranks is not None:
            self.missing = self.blocks[ranks.rank :: ranks.size]
        if store is not None and store.parts:
            self.sums[:], self.parts = store.accumulated(), store.parts
            self.plan, self.timings, self.reason = store.plan, store.facts["plans_measured"], store.facts["fallback"]
        self.before = self.known = points * self.parts
        self._agreed = False

    def claims(self, planned: int) -> Iterator[Block]:
        """The blocks that are to be evaluated here, the same for every part. See `Ledger.claims`."""
        yield from self.missing

    def keep(self, block: Block, sums: Tensor, plan: Plan, timings: list[dict[str, Any]], reason: str | None) -> int:
        """Adds the sums of a block over a part of the data. See `Ledger.keep`."""
        self.sums[block.points] += sums
        self._facts = {"plan": plan.as_dict(), "plans_measured": timings, "fallback": reason}
        return 0

    def agreed(self, plan: Plan) -> Plan:
        """The plan of the first process, for all parts. See `Ledger.agreed`."""
        if not self._agreed:
            self._agreed = True
            return super().agreed(plan)
        return plan

    def part_done(self, samples: int) -> None:
        """Keeps the sums over all parts so far. See `Ledger.part_done`."""
        self.parts += 1
        self.known += len(self.sums)
        if self.store is None:
            return
        for block in self.missing:
            self.store.keep_over_parts(self.parts, block.start, self.sums[block.points])
        if self.ranks is not None:
            self.ranks.all_here(f"part {self.parts}")
        if self.leads:
            self.store.part_kept(self.parts, samples, self.digest(), self._facts)
        if self.ranks is not None:  # what comes next is written over the sums that the header names until then
            self.ranks.shared(f"kept {self.parts}")

    def enough(self, samples: int) -> bool:
        """Whether the means are known well enough: the same in all processes. See `Ledger.enough`."""
        if self.aim is None or not self.aim.possible(self.parts, samples):
            return False
        found = spread_of_sums(self.sums[joined_points(self.missing)].numpy(), samples)
        if self.ranks is not None:  # each knows the sums of its own points
            every = self.ranks.collected(f"spread {self.parts}", found)
            found = joint(None if one is None else Spread(*one) for one in every)
        return self.aim.reached(found)

    def say_stopped(self) -> None:
        """Says on standard error how far the run has come, and how it goes on."""
        if self.store is not None:
            said = f"the sums over {self.parts} parts of the data are kept in {self.store.path}"
            tqdm.write(f"fastscape: stopped; {said}: call the same again to go on", file=sys.stderr)

    def complete(self) -> Tensor:
        """The sums [G, measures] over all data."""
        if self.ranks is not None:
            self.sums = self.ranks.gathered(self.sums, joined_points(self.missing))
        return self.sums
