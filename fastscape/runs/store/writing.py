"""Writes a landscape to disk block by block, so a run can be resumed after any interruption.

A store is a folder in the format of zarr, which xarray reads:

    zarr.json       the header: what is computed and how ("settings"), the plan, and at the end the report
    x, y, ...       coordinates [H], [W], ...
    sums            sums over the samples [points, measures]; one file per block, written whole
    order           the number [points] of the point of each row, if the points of a block need not be neighbours
    sums_0, sums_1  sums for data in parts: in turn, over all parts so far and over one part fewer
    directions      the directions [D, P], if they were given
    level_1         an inner store, for the draw of samples on which most points are evaluated
    loss, ...       at the end, every measure [H, W], the standard error, and the mask of evaluated points
    finished_anew   the new grids while the grids of an earlier call are replaced

A block counts as known when its file exists, whatever its values. Everything else counts when the header names it.
The header is written whole and last, in one rename, so at any moment the disk has the state before or after a step.
Every file of an array has a checksum. Every entry of the header, and every array that is written once, has a digest.
A missing file is an error if it must exist. Temporary files of a killed writer are ignored, and the next writer
deletes them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import Plan
from fastscape.results import Values
from fastscape.runs.store.arrays import array_of, array_written, opened
from fastscape.runs.store.contents import StoreAsked
from fastscape.runs.store.errors import reading, writing, zarr_package
from fastscape.runs.store.finishing import finish, sweep_beside
from fastscape.runs.store.folder import BESIDE, LEVEL, check_folder, lock_of, sweep
from fastscape.runs.store.header import FORMAT, VERSION, header_of, parts_in, write_header
from fastscape.runs.store.identity import check_grids, check_same, mended
from fastscape.runs.store.reading import known_blocks, known_order, summed
from fastscape.runs.store.sums import described_anew, sums_made

__all__ = ["Store"]

# Names of the arrays that every store has, besides the axes.
_RESERVED = "sums", "order", "sums_0", "sums_1", "directions", "standard_error", "evaluated", BESIDE, LEVEL
_FACTS: dict[str, Any] = {"plan": None, "plans_measured": [], "fallback": None}  # 0.1 wrote one after another
_BUSY = 0.3  # seconds that a check for the lock of the store takes at most


class Store:
    """The store of one run, locked until the context ends.

    Args:
        path: The folder. It is created if missing.
        locks: Whether this process takes the lock; else another process of the same run has it. Default True.

    Raises:
        ImportError: When zarr is not installed.
        OSError: When the folder cannot be created or written to.
        ValueError: When another process has the store, or the folder holds something else.
    """

    def __init__(self, path: str | os.PathLike[str], *, locks: bool = True) -> None:
        from filelock import Timeout

        self.path = Path(path)
        zarr_package()
        self._lock, self._owns = lock_of(self.path), locks
        self.facts: dict[str, Any] = {}  # entries of the plan: "plan", "plans_measured", "fallback"
        self.plan: Plan | None = None
        self.parts, self.digests = 0, list[str]()  # for data in parts
        if not locks:
            return
        with writing(self.path):
            check_folder(self.path)
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=_BUSY, poll_interval=0.01)
            except Timeout:
                raise ValueError(
                    f"another process is writing to {self.path}; wait for it, or give another store"
                ) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def level(self) -> Store:
        """The store of a draw of the samples, inside this store and under its lock. This store must be created first.

        Returns:
            The store.
        """
        inner = Store(self.path / LEVEL, locks=False)
        inner._owns = self._owns
        if self._owns:
            with writing(self.path):
                inner.path.mkdir(exist_ok=True)
        return inner

    def begin(self, asked: StoreAsked, size: int) -> int:
        """Starts a run, or resumes a run with the same model, data and settings.

        Args:
            asked: What it is to hold.
            size: Points of a block, for a new run.

        Returns:
            Points of a block.

        Raises:
            OSError: When the store cannot be read or written to.
            ValueError: When the store belongs to a different run or has a different version of the format, is
                damaged, or a metric has a name that is in use.
        """
        taken = [name for name in asked.measures if name in (*asked.axes, *_RESERVED) or "/" in name]
        if taken:
            raise ValueError(f"a store cannot hold a metric named {taken[0]!r}; give it another name")
        with writing(self.path):
            self._header = header_of(self.path)
            if self._owns:
                sweep(self.path)
                sweep_beside(self.path, self._header)
            if "settings" not in self._header:
                self._create(asked, size)
        check_same(self.path, dict(self._header["settings"]), asked.header)
        self._check_arrays(asked)
        with reading(self.path):
            group = opened(self.path, writes=True)
            self._sums = array_of(group, "sums")
            self._order = None if asked.ordered else array_of(group, "order")
            if "plan" in self._header:
                self.facts = {n: self._header.get(n, usual) for n, usual in _FACTS.items()}
                self.plan = Plan(**self.facts["plan"])
            self.parts = parts_in(self._header)[0]
            self.digests = list(self._header.get("digests", []))[: self.parts]
        if self._sums.shape != asked.rows(self._sums.chunks[0]):
            raise ValueError(f"{self.path} is damaged: its sums have shape {self._sums.shape}; give another store")
        return int(self._sums.chunks[0])

    def _check_arrays(self, asked: StoreAsked) -> None:
        """Refuses different axes and directions; rewrites damaged arrays that this call knows."""
        try:
            check_grids(self.path, self._header, asked)
        except ValueError:
            if not self._owns or not mended(self.path, self._header, asked):
                raise
            check_grids(self.path, self._header, asked)
        if self._owns:
            with writing(self.path), reading(self.path):
                said = described_anew(self.path, self._header, asked)
                if said:
                    self._say(said)

    def taken(self) -> dict[int, Tensor]:
        """The sums of the blocks in the store.

        Returns:
            Sums [points of the block, measures] by the number of the block.

        Raises:
            ValueError: When the file of a block is damaged.
        """
        order = None if self._order is None else known_order(self.path, self._order)
        return {k: torch.from_numpy(sums) for k, sums in known_blocks(self.path, self._sums, order).items()}

    def order(self) -> dict[int, Tensor]:
        """The numbers of the points of the blocks in the store, if the points of a block need not be neighbours.

        Returns:
            Numbers [points of the block] by the number of the block.

        Raises:
            ValueError: When the file of a block is damaged.
        """
        return {k: torch.from_numpy(points) for k, points in known_order(self.path, self._order).items()}

    def keep(self, start: int, points: Tensor, sums: Tensor, facts: dict[str, Any] | None) -> None:
        """Writes the sums of a block, whole or not at all, and new entries of the plan.

        Args:
            start: The row of the first point of the block.
            points: The numbers of its points.
            sums: Its sums [points, measures].
            facts: "plan", "plans_measured" and "fallback"; None if another process writes them.

        Raises:
            OSError: When the block cannot be written. All earlier blocks are safe.
        """
        with writing(self.path):
            if facts is not None and facts != self.facts:
                self._say(facts)
                self.facts = {name: self._header[name] for name in facts}
            if self._order is not None:  # before the sums, whose file marks the block as known
                self._order[start : start + len(sums)] = points.numpy()
            self._sums[start : start + len(sums)] = sums.numpy()

    def keep_over_parts(self, number: int, start: int, sums: Tensor) -> None:
        """Writes the sums of a block over the first parts of the data; the previous sums stay.

        Args:
            number: Number of parts.
            start: The first point of the block.
            sums: Its sums [points, measures].

        Raises:
            OSError: When the sums cannot be written. The sums over fewer parts are safe.
        """
        with writing(self.path):
            name = f"sums_{number % 2}"
            array_of(opened(self.path, writes=True), name)[start : start + len(sums)] = sums.numpy()

    def part_kept(
        self, number: int, samples: int, counts: float | list[float], digest: str, facts: dict[str, Any]
    ) -> None:
        """Writes into the header, whole or not at all, that the sums of all blocks over some parts are complete.

        Args:
            number: Number of parts.
            samples: Number of samples in these parts.
            counts: Number of samples of each sum; one number if it is the same for all.
            digest: The digest of the data so far.
            facts: "plan", "plans_measured" and "fallback".

        Raises:
            OSError: When the sums cannot be written. The sums over fewer parts are safe.
        """
        with writing(self.path):
            digests = [*self.digests, digest]
            said: dict[str, Any] = {"parts": number, "part_samples": samples, "digests": digests, "every_file": True}
            said |= {"part_counts": counts} if counts != samples else {}
            self._say({**facts, **said})
        self.parts, self.digests = number, digests

    def accumulated(self) -> Tensor:
        """The sums [G, measures] over the parts of the data in the store.

        Returns:
            The sums.

        Raises:
            ValueError: When they are damaged.
        """
        with reading(self.path):
            return torch.from_numpy(summed(self.path, opened(self.path), self._header))

    def finish(self, values: Values) -> None:
        """Writes the landscape when all points are known.

        Args:
            values: Its values.

        Raises:
            OSError: When it cannot be written.
        """
        with writing(self.path):
            self._header = finish(self.path, self._header, values)

    def _say(self, entries: dict[str, Any]) -> None:
        """Writes entries into the header, all at once."""
        self._header = write_header(self.path, {**self._header, **entries})

    def _create(self, asked: StoreAsked, size: int) -> None:
        """Makes the arrays of a run, and then enters them in the header."""
        self._header = write_header(self.path, {"format": FORMAT, "version": VERSION})  # marks the folder as a store
        arrays = {name: array_written(self.path, name, *array) for name, array in asked.arrays.items()}
        said = sums_made(self.path, asked, size)
        self._say({"reach": dict(asked.reach), "settings": asked.header, "arrays": arrays, **said})
