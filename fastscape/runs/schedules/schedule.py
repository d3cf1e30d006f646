"""The base class of schedules, which choose the points of a grid to evaluate next and hold the known sums."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from fastscape.engine import Plan
from fastscape.runs.backing import Backing
from fastscape.runs.distributed import Ranks
from fastscape.runs.store import Store

__all__ = ["Block", "Followed", "Schedule", "block_size", "joined_points", "shared_out"]

MOST_BLOCKS = 4096  # each block is a file


@dataclass(frozen=True)
class Block:
    """Points that are claimed, finished and kept together.

    Args:
        number: The number of the block.
        start: The row of its first point in a store.
        points: The numbers of its points in the grid [n], int64.
    """

    number: int
    start: int
    points: Tensor

    def __len__(self) -> int:
        return len(self.points)


class Followed(NamedTuple):
    """The plan of a run, as far as a store knows it.

    Args:
        plan: The plan; None if there is none yet.
        timings: What the planner measured.
        reason: Why a simpler plan than requested is used, or None.
    """

    plan: Plan | None
    timings: list[dict[str, Any]]
    reason: str | None


class Schedule:
    """The sums of a grid, and the blocks of points that are still to be evaluated.

    `parts` is the number of finished parts of the data. `total` is the end of the progress bar in points, of which
    `counted` were done when the run began. `title` is the fixed text beside the bar, and `said` the changing text.
    `keeps_blocks` says whether a block is safe once it is kept. `known` is the number of known points, of which
    `before` were known when the run began.

    Args:
        points: Number of points G.
        measures: Number of sums per point.
        backing: Store and processes. Default: none.
    """

    keeps_blocks = True
    title = ""

    def __init__(self, points: int, measures: int, backing: Backing | None = None) -> None:
        self.backing = backing or Backing()
        self.sums = torch.full((points, measures), torch.nan, dtype=torch.float64, device="cpu")
        self.missing: list[Block] = []
        self.parts = 0
        self.total = points
        self.before = self.known = 0
        self._own: list[Block] = []

    @property
    def store(self) -> Store | None:
        """The store of finished points."""
        return self.backing.store

    @property
    def ranks(self) -> Ranks | None:
        """The processes that share the points."""
        return self.backing.ranks

    @property
    def followed(self) -> Followed:
        """The plan of the run, as far as the store knows it."""
        facts = self.store.facts if self.store else {}
        plan = self.store.plan if self.store else None
        return Followed(plan, facts.get("plans_measured", []), facts.get("fallback"))

    @property
    def counted(self) -> int:
        """How many points of `total` were done when the run began."""
        return self.before

    @property
    def said(self) -> str:
        """How far the run is, in words; nothing where the points say it."""
        return ""

    def indices(self) -> Tensor:
        """The numbers [missing points] of the points that are not known yet, in order."""
        return joined_points(self.missing)

    def stored(self) -> Tensor:
        """The numbers [n] of the points whose sums the store has at the start of the run."""
        known = torch.ones(len(self.sums), dtype=torch.bool, device="cpu")
        known[self.indices()] = False
        return known.nonzero().flatten()

    def agreed(self, plan: Plan) -> Plan:
        """The plan of the first process, for all."""
        return plan if self.ranks is None else Plan(**self.ranks.shared("plan", plan.as_dict()))

    def claims(self, planned: int) -> Iterator[Block]:
        """The blocks to evaluate in this process, one after the other.

        Args:
            planned: Number of the first missing points that this process has evaluated already.

        Yields:
            The blocks; first the blocks with such points.
        """
        yield from shared_out(self.missing, planned, self.ranks)

    def keep(self, block: Block, sums: Tensor, facts: dict[str, Any]) -> int:
        """Takes the sums of a finished block.

        Args:
            block: The block.
            sums: Its sums [points of the block, measures].
            facts: "plan", "plans_measured" and "fallback": the current plan, and its reason.

        Returns:
            Number of points that other processes have finished since the last block.
        """
        self.sums[block.points] = sums
        self._own.append(block)
        if self.store is not None and self.backing.keeps:
            self.store.keep(block.start, block.points, sums, facts if self.backing.leads else None)
        before, self.known = self.known + len(block), self.known + len(block)
        if self.ranks is not None:
            self.known = self.before + self.ranks.finished(len(block))
        return self.known - before

    def part_begun(self) -> None:
        """Is told that a part of the data that is not done was read; by default there is one part."""

    def part_done(self, samples: int, counts: Tensor) -> None:
        """Called when all blocks were evaluated on one part of the data; by default there is one part.

        Args:
            samples: Number of samples so far.
            counts: Number of samples of each sum, see `Objective.counts_of_grids`.
        """

    def enough(self, samples: int, counts: Tensor) -> bool:
        """Whether to stop reading data; called after every part.

        Args:
            samples: Number of samples so far.
            counts: Number of samples of each sum so far, see `Objective.counts_of_grids`.

        Returns:
            Whether the values are accurate enough; by default all data are read.
        """
        return False

    def complete(self) -> Tensor:
        """The sums [G, measures] of all processes, when no process has a missing point."""
        return self.sums if self.ranks is None else self.ranks.gathered(self.sums, joined_points(self._own))

    def say_stopped(self) -> None:
        """Says on standard error how far the run has come, and how to resume it."""
        if self.store is not None:
            tqdm.write(f"fastscape: stopped; {self.kept_there}", file=sys.stderr)

    @property
    def kept_there(self) -> str:
        """The contents of a store and how to resume a run, in words."""
        assert self.store is not None
        return f"{self.kept} are kept in {self.store.path}: call the same again to go on"

    @property
    def kept(self) -> str:
        """The contents of a store, in words."""
        return f"{self.known} points"


def joined_points(blocks: Sequence[Block]) -> Tensor:
    """The numbers [n] of the points of several blocks, in order."""
    return torch.cat([torch.empty(0, dtype=torch.int64, device="cpu"), *(block.points for block in blocks)])


def shared_out(missing: Sequence[Block], planned: int, ranks: Ranks | None) -> Iterator[Block]:
    """The blocks to evaluate in this process, one after the other, while other processes take other blocks.

    Args:
        missing: All blocks to evaluate, the same in all processes.
        planned: Number of their first points that this process has evaluated already.
        ranks: The processes that share the blocks; None for this process alone.

    Yields:
        The blocks; first the blocks with points that are evaluated already.
    """
    if ranks is None:
        yield from missing
        return
    begun = 0
    while planned > 0:
        planned -= len(missing[begun])
        begun += 1
    first = ranks.shared("begun", begun)
    if ranks.leads:
        yield from missing[:first]
    while (k := first + ranks.claimed()) < len(missing):
        yield missing[k]


def block_size(points: int, chunk: int) -> int:
    """Points of a block: one chunk, or several chunks on very large grids.

    Args:
        points: Number of points of the grid.
        chunk: Points that are evaluated together.

    Returns:
        A multiple of the chunk.
    """
    return chunk * max(-(-points // (chunk * MOST_BLOCKS)), 1)
