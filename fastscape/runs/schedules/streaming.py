"""Evaluates data in parts: every point is evaluated on one part before the next part is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import Plan
from fastscape.runs.backing import Backing
from fastscape.runs.schedules.blocks import blocks_of
from fastscape.runs.schedules.schedule import Block, Schedule, joined_points
from fastscape.sampling import Enough, Spread, joint, spread_of_sums

__all__ = ["Streaming"]


class Streaming(Schedule):
    """A schedule whose sums grow with every part of the data, and are kept after each part.

    `of`, where it is set, is how many parts there are.

    Several processes share the blocks evenly: each reads all data, for its own points. With a store they wait for each
    other after every part.

    Args:
        points: Number of points G.
        measures: Number of sums per point.
        size: Points of a block.
        digest: The digest of the data so far.
        aim: The target at which reading stops. Default: all data are read.
        moments: Number of moments of the loss among the sums. Default 0.
        backing: Store and processes. Default: none.
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
        moments: int = 0,
        backing: Backing | None = None,
    ) -> None:
        super().__init__(points, measures, backing)
        self.digest, self.aim, self.moments = digest, aim, moments
        self.sums.zero_()
        blocks = blocks_of(points, size)
        self.missing = blocks if self.ranks is None else blocks[self.ranks.number :: len(self.ranks.teams)]
        self._own = self.missing
        if self.store is not None and self.store.parts:
            self.sums[:], self.parts = self.store.accumulated(), self.store.parts
        self.before = self.known = points * self.parts
        self._agreed = False
        self._points = sum(map(len, self.missing))
        self._reached = ""  # how large the standard error is, in words
        self.of: int | None = None
        self._part = self.parts
        self.total = self._points * max(self.parts, 1)

    @property
    def counted(self) -> int:
        """The points of the parts that were done before. See `Schedule.counted`."""
        return self._points * self.parts

    @property
    def said(self) -> str:
        """The part, and how large the standard error is. See `Schedule.said`."""
        if not self._part:
            return ""
        of = "" if self.of is None else f" of {max(self.of, self._part)}"
        return f"part {self._part}{of}{self._reached}"

    def part_begun(self) -> None:
        """Counts the points of one more part. See `Schedule.part_begun`."""
        self._part = self.parts + 1
        self.total = self._points * max(self.of or 0, self._part)

    def stored(self) -> Tensor:
        """The numbers of the points whose sums the store has. See `Schedule.stored`."""
        return torch.arange(len(self.sums) if self.parts else 0, device="cpu")

    def claims(self, planned: int) -> Iterator[Block]:
        """The blocks to evaluate in this process, the same for every part. See `Schedule.claims`."""
        yield from self.missing

    def keep(self, block: Block, sums: Tensor, facts: dict[str, Any]) -> int:
        """Adds the sums of a block over a part of the data. See `Schedule.keep`."""
        self.sums[block.points] += sums
        self._facts = facts
        return 0

    def agreed(self, plan: Plan) -> Plan:
        """The plan of the first process, for all parts. See `Schedule.agreed`."""
        if not self._agreed:
            self._agreed = True
            return super().agreed(plan)
        return plan

    def part_done(self, samples: int, counts: Tensor) -> None:
        """Keeps the sums over all parts so far. See `Schedule.part_done`."""
        self.parts += 1
        self.known += len(self.sums)
        if self.store is None:
            return
        for block in self.missing if self.backing.keeps else ():
            self.store.keep_over_parts(self.parts, block.start, self.sums[block.points])
        if self.ranks is not None:
            self.ranks.all_here(f"part {self.parts}")
        if self.backing.leads:
            self.store.part_kept(self.parts, samples, counts.tolist(), self.digest(), self._facts)
        if self.ranks is not None:  # the next sums overwrite the sums that the header names until then
            self.ranks.shared(f"kept {self.parts}")

    def enough(self, samples: int, counts: Tensor) -> bool:
        """Whether the means are accurate enough; the same in all processes. See `Schedule.enough`."""
        if self.aim is None or not self.aim.possible(self.parts, samples):
            return False
        sums = self.sums[joined_points(self.missing)].numpy()
        found = spread_of_sums(sums, float(counts.flatten()[0]), self.moments)
        if self.ranks is not None:  # each process knows the sums of its own points
            every = self.ranks.collected(f"spread {self.parts}", found if self.backing.keeps else None)
            found = joint(None if one is None else Spread(*one) for one in every)
        if found is not None and found.highest > found.lowest:
            share = found.error / (found.highest - found.lowest)
            self._reached = f", error {100 * share:.2g} % of {100 * self.aim.target:.2g} %, {samples:,} samples"
        return self.aim.reached(found)

    @property
    def kept(self) -> str:
        """The contents of a store, in words."""
        return f"the sums over {self.parts} parts of the data"
