"""Evaluates only some points of a grid, which a refinement chooses round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fastscape.runs.backing import Backing
from fastscape.runs.schedules.schedule import Block, Schedule, joined_points, shared_out
from fastscape.runs.store import Store
from fastscape.sampling import Refinement, Trust

__all__ = ["Rounds"]


class Rounds(Schedule):
    """A schedule of rounds, each of which depends on the values of earlier rounds.

    A store keeps the points in the order of their evaluation. A resumed run asks for the same points in the same
    blocks again, and finds them there. `shown`, if it is set, gets the means [G, named] after every round.

    Args:
        refinement: Chooses the points, and predicts the remaining points from them.
        measures: Number of sums per point.
        named: How many of the sums are measures; the moments of the loss may follow.
        counts: Number of samples of each sum, see `Objective.counts_of_grids`.
        backing: Store and processes. Default: none.
    """

    def __init__(
        self, refinement: Refinement, measures: int, *, named: int, counts: Tensor, backing: Backing | None = None
    ) -> None:
        points = len(refinement.known)
        super().__init__(points, measures, backing)
        self.refinement, self.named, self.counts = refinement, named, counts
        self._kept: set[int] = set()  # numbers of blocks in the store
        self._stored = torch.zeros(points, dtype=torch.bool, device="cpu")
        if self.store is not None:
            self._read(self.store)
        self.before = self.known = int(self._stored.sum())
        self.shown: Callable[[np.ndarray], None] | None = None
        self._next, self._round = 0, 0
        self._begin()

    def _read(self, store: Store) -> None:
        kept, order = store.taken(), store.order()
        names = sorted(kept)
        if self.ranks is not None:  # the other processes may be at work already
            names = self.ranks.shared("kept", names)
        for k in names:
            self.sums[order[k]], self._stored[order[k]] = kept[k], True
        self._kept = set(names)

    def _begin(self) -> None:
        """Asks for the next points, and divides points that are not stored into blocks."""
        self._part = None if self.ranks is None else self.ranks.part(f"round {self._round}")
        wanted = self.refinement.wanted() if self.backing.leads else np.empty(0, dtype=np.int64)
        if self._part is not None:
            wanted = np.array(self._part.shared("wanted", wanted.tolist()), dtype=np.int64)
        self.wanted = torch.from_numpy(wanted)
        self.missing, self._own = [], []
        left = self.wanted[~self._stored[self.wanted]]
        self.total = self.known + len(left)
        for points in left.split(self.refinement.size) if len(left) else ():
            while self._next in self._kept:
                self._next += 1
            self.missing.append(Block(self._next, self._next * self.refinement.size, points))
            self._next += 1

    @property
    def said(self) -> str:
        """The round, and how large the error is. See `Schedule.said`."""
        found, tolerance = self.refinement.trust, self.refinement.tolerance
        number = self._round + (len(self.wanted) > 0)
        if found is None or not tolerance:
            return f"round {number}"
        return f"round {number}, error {found.at_most:.2g} of {tolerance:g}"

    def stored(self) -> Tensor:
        """The numbers of the points whose sums the store has. See `Schedule.stored`."""
        return self._stored.nonzero().flatten()

    def claims(self, planned: int) -> Iterator[Block]:
        """The blocks to evaluate in this process, round after round. See `Schedule.claims`."""
        while len(self.wanted):
            yield from shared_out(self.missing, planned, self._part)
            planned = 0
            if self._part is not None:
                self.sums = self._part.gathered(self.sums, joined_points(self._own))
            self._tell()
            self._round += 1
            self._begin()
        rest = self._stored & ~torch.from_numpy(self.refinement.known)
        if rest.any():  # stored by a run that needed more or different points
            self.refinement.take(rest.nonzero().flatten().numpy(), self._means(rest))

    def _tell(self) -> None:
        """Gives the refinement the values of a round; its conclusions are the same in all processes."""
        self.refinement.take(self.wanted.numpy(), self._means(self.wanted))
        if self.backing.leads:
            self.refinement.judge()
        if self._part is not None:
            found = self._part.shared("trust", self.refinement.trust)
            self.refinement.trust = None if found is None else Trust(*found)
        if self.shown is not None and self.backing.leads:
            self.shown(self._means(torch.ones_like(self._stored)))

    def _means(self, which: Tensor) -> np.ndarray:
        return (self.sums[which] / self.counts)[:, : self.named].numpy()

    def keep(self, block: Block, sums: Tensor, facts: dict[str, Any]) -> int:
        """Takes the sums of a finished block. See `Schedule.keep`."""
        finished = super().keep(block, sums, facts)
        self._stored[block.points] = True
        return finished

    def complete(self) -> Tensor:
        """The sums, gathered after every round; NaN at points that were not evaluated."""
        return self.sums
