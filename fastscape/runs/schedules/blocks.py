"""Evaluates every point of a grid on all samples, block after block."""

from __future__ import annotations

import torch

from fastscape.runs.backing import Backing
from fastscape.runs.schedules.schedule import Block, Schedule

__all__ = ["Blocks", "blocks_of"]


class Blocks(Schedule):
    """A schedule whose blocks are neighbouring points.

    Args:
        points: Number of points G.
        measures: Number of sums per point.
        size: Points of a block. Default: all.
        backing: Store and processes. Default: none.
    """

    def __init__(self, points: int, measures: int, *, size: int | None = None, backing: Backing | None = None) -> None:
        super().__init__(points, measures, backing)
        blocks = blocks_of(points, max(points, 1) if size is None else size)
        kept = self.store.taken() if self.store else {}
        if self.ranks is not None:  # the other processes may be at work already
            kept = {k: kept[k] for k in self.ranks.shared("kept", sorted(kept))}
        for k, sums in kept.items():
            self.sums[blocks[k].points] = sums
        self.missing = [block for block in blocks if block.number not in kept]
        self.before = self.known = points - sum(map(len, self.missing))

    @property
    def kept(self) -> str:
        """The contents of a store, in words."""
        return f"{self.known} of {len(self.sums)} points"


def blocks_of(points: int, size: int) -> list[Block]:
    """All points of a grid, cut into blocks of neighbours."""
    every = torch.arange(points, device="cpu")
    return [Block(k, k * size, part) for k, part in enumerate(every.split(size)) if len(part)]
