"""Which points of a grid are evaluated next, and what is known of the others: blocks of neighbouring points."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from fastscape.parallel import Ranks
from fastscape.plan import Plan
from fastscape.store import Store

__all__ = ["Block", "Ledger", "block_size"]

MOST_BLOCKS = 4096  # each is a file


@dataclass(frozen=True)
class Block:
    """Neighbouring points in the order of the grid, which are claimed, finished and kept as one."""

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def indices(self) -> Tensor:
        """The numbers of its points, int64."""
        return torch.arange(self.start, self.stop, device="cpu")


class Ledger:
    """The sums of a grid, block by block.

    `parts` is how many parts of the data are done already, `total` how many points there are to be shown, None where
    nobody knows; `keeps_blocks` whether a block is safe once it is kept.

    Args:
        points: Number of points G.
        measures: Number of sums of each point.
        size: Points of a block. Default: all.
        store: Where finished blocks are kept. Default: in memory alone.
        ranks: The processes that share the blocks. Default: this one alone.
    """

    parts = 0
    total: int | None
    keeps_blocks = True

    def __init__(
        self,
        points: int,
        measures: int,
        *,
        size: int | None = None,
        store: Store | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        size = max(points, 1) if size is None else size
        self.blocks = [Block(k, a, min(a + size, points)) for k, a in enumerate(range(0, points, size))]
        self.sums = torch.full((points, measures), torch.nan, dtype=torch.float64, device="cpu")
        self.store, self.ranks, self.total = store, ranks, points
        facts = store.facts if store else {}
        self.plan = store.plan if store else None
        self.timings: list[dict[str, Any]] = facts.get("plans_measured", [])
        self.reason: str | None = facts.get("fallback")
        kept = store.taken() if store else {}
        if ranks is not None:  # the others may be at work already
            kept = {k: kept[k] for k in ranks.shared("kept", sorted(kept))}
        for k, sums in kept.items():
            self.sums[self.blocks[k].start : self.blocks[k].stop] = sums
        self.missing = [block for block in self.blocks if block.number not in kept]
        self.before = self.known = points - sum(map(len, self.missing))
        self._own: list[Tensor] = []

    @property
    def leads(self) -> bool:
        """Whether this process looks for the plan."""
        return self.ranks is None or self.ranks.leads

    def indices(self) -> Tensor:
        """The numbers [missing points] of the points that are not known yet, in their order."""
        return torch.cat([torch.empty(0, dtype=torch.int64, device="cpu"), *(b.indices() for b in self.missing)])

    def agreed(self, plan: Plan) -> Plan:
        """The plan of the first process, for all."""
        return plan if self.ranks is None else Plan(**self.ranks.shared("plan", plan.as_dict()))

    def claims(self, planned: int) -> Iterator[Block]:
        """The blocks that are to be evaluated here, one after the other.

        Args:
            planned: How many of the missing points this process has evaluated already, the first ones.

        Yields:
            The blocks; first those with such points.
        """
        if self.ranks is None:
            yield from self.missing
            return
        begun = 0
        while planned > 0:
            planned -= len(self.missing[begun])
            begun += 1
        first = self.ranks.shared("begun", begun)
        if self.leads:
            yield from self.missing[:first]
        while (k := first + self.ranks.claimed()) < len(self.missing):
            yield self.missing[k]

    def keep(self, block: Block, sums: Tensor, plan: Plan, timings: list[dict[str, Any]], reason: str | None) -> int:
        """Takes the sums of a finished block.

        Args:
            block: The block.
            sums: Its sums [points of the block, measures].
            plan: The plan that is followed now.
            timings: What the planner measured.
            reason: Why a plainer plan than wanted is followed, or None.

        Returns:
            How many points other processes have finished since the last block.
        """
        self.sums[block.start : block.stop] = sums
        self._own.append(block.indices())
        if self.store is not None:
            facts = {"plan": plan.as_dict(), "plans_measured": timings, "fallback": reason}
            self.store.keep(block.start, sums, facts if self.leads else None)
        before, self.known = self.known + len(block), self.known + len(block)
        if self.ranks is not None:
            self.known = self.before + self.ranks.finished(len(block))
        return self.known - before

    def part_done(self, samples: int) -> None:
        """Is told that all blocks were evaluated on one part of the data; here there is one part.

        Args:
            samples: How many samples there were so far.
        """

    def complete(self) -> Tensor:
        """The sums [G, measures], once nothing is missing here or anywhere."""
        if self.ranks is not None:
            own = torch.cat([torch.empty(0, dtype=torch.int64, device="cpu"), *self._own])
            self.sums = self.ranks.gathered(self.sums, own)
        return self.sums

    def say_stopped(self) -> None:
        """Says on standard error how far the run has come, and how it goes on."""
        if self.store is not None:
            tqdm.write(
                f"fastscape: stopped; {self.known} of {len(self.sums)} points are kept in {self.store.path}: call the "
                "same again to go on",
                file=sys.stderr,
            )


def block_size(points: int, chunk: int) -> int:
    """Points of a block: a chunk, or on very large grids several.

    Args:
        points: Number of points of the grid.
        chunk: Points that are evaluated together.

    Returns:
        A multiple of the chunk.
    """
    return chunk * max(-(-points // (chunk * MOST_BLOCKS)), 1)
