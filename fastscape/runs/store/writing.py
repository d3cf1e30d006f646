"""A landscape on disk that grows block by block, so that a run which was ended in any way can be taken up again.

A store is a folder in the format of zarr, which xarray reads:

    zarr.json       what is computed and how ("settings"), by which plan, and in the end the report
    x, y            coordinates [H], [W]
    sums            sums over the samples [points, measures]; one file a block, written whole, with a checksum
    order           the number [points] of each row's point, where blocks are of any points
    sums_0, sums_1  the same where the data come in parts: over those so far, and over one less
    directions      the directions [D, P], where they were given
    loss, ...       every measure [H, W] and the standard error, in the end; and which points were evaluated

A block counts as known when its file is there, whatever its values.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastscape.engine import Plan
from fastscape.results import Values
from fastscape.runs.store.contents import StoreAsked
from fastscape.runs.store.identity import check_grids, check_same
from fastscape.runs.store.reading import (
    FORMAT,
    VERSION,
    check_format,
    known_blocks,
    known_order,
    lock_of,
    reading,
    zarr_package,
)

__all__ = ["Store"]

# Names of a store's own arrays, besides the axes.
_RESERVED = "sums", "order", "sums_0", "sums_1", "directions", "standard_error", "evaluated"
_DIRECTION_ENTRIES = 1 << 22  # of one file


class Store:
    """The store of one run, locked until the context is left.

    Args:
        path: The folder. It is made where there is none.
        locks: Whether this process takes the lock; else another one of the same run has it. Default True.

    Raises:
        ImportError: When zarr is not installed.
        OSError: When the folder cannot be made or written to.
        ValueError: When another process has the store, or the folder holds something else.
    """

    def __init__(self, path: str | os.PathLike[str], *, locks: bool = True) -> None:
        from filelock import Timeout

        self.path = Path(path)
        self._zarr = zarr_package()
        self._lock = lock_of(self.path)
        self.facts: dict[str, Any] = {}  # what is known of the plan: "plan", "plans_measured", "fallback"
        self.plan: Plan | None = None
        self.parts, self.digests = 0, list[str]()  # of data that come in parts
        if not locks:
            return
        with _writing(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise ValueError(f"store={str(path)!r} is a file; give the name of a folder, for example 'run.zarr'")
            self.path.mkdir(parents=True, exist_ok=True)
            strangers = [entry.name for entry in self.path.iterdir()]
            if strangers and "zarr.json" not in strangers:
                raise ValueError(
                    f"{self.path} holds {', '.join(sorted(strangers)[:3])} and is no store; give a folder that is new"
                )
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise ValueError(
                    f"another process is writing to {self.path}; wait for it, or give another store"
                ) from None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def begin(self, asked: StoreAsked, size: int) -> int:
        """Begins a run, or goes on with one of the same model, data and settings.

        Args:
            asked: What it is to hold.
            size: Points of a block, where the run begins.

        Returns:
            Points of a block.

        Raises:
            OSError: When the store cannot be read or written to.
            ValueError: When it is a run of something else or of another version of the format, when it is damaged, or
                when a metric has a name that is taken.
        """
        settings = asked.header
        taken = [name for name in asked.measures if name in (*asked.axes, *_RESERVED) or "/" in name]
        if taken:
            raise ValueError(f"a store cannot hold a metric named {taken[0]!r}; give it another name")
        with _writing(self.path), reading(self.path):
            group = self._group("a")
            if not dict(group.attrs) and not any(group.groups()) and not any(group.arrays()):
                group.attrs.update({"format": FORMAT, "version": VERSION})
            check_format(self.path, dict(group.attrs))
            if "settings" not in group.attrs:  # the last that is written; a run that ended before has kept nothing
                self._create_axes(asked)
                self._create_sums(asked, size)
                group = self._group("a")
                group.attrs.update({"reach": dict(asked.reach), "settings": settings})
            attributes = dict(group.attrs)
        check_same(self.path, dict(attributes["settings"]), settings)
        with reading(self.path):
            # By default a block of nothing but NaN would not be written, and so never be known.
            with self._zarr.config.set({"array.write_empty_chunks": True}):
                self._sums = group["sums"]
                self._order = None if asked.ordered else group["order"]
            self.facts = {n: attributes[n] for n in ("plan", "plans_measured", "fallback") if n in attributes}
            self.plan = Plan(**self.facts["plan"]) if self.facts else None
            self.parts, self.digests = int(attributes.get("parts", 0)), list(attributes.get("digests", []))
        check_grids(self.path, group, asked)
        if self._sums.shape != asked.rows(self._sums.chunks[0]):
            raise ValueError(f"{self.path} is damaged: its sums have shape {self._sums.shape}; give another store")
        return int(self._sums.chunks[0])

    def taken(self) -> dict[int, Tensor]:
        """The sums of the blocks that are kept already.

        Returns:
            Sums [points of the block, measures] by the number of the block.

        Raises:
            ValueError: When the file of a block is damaged.
        """
        order = None if self._order is None else known_order(self.path, self._order)
        return {k: torch.from_numpy(sums) for k, sums in known_blocks(self.path, self._sums, order).items()}

    def order(self) -> dict[int, Tensor]:
        """Of the blocks that are kept already, where these are of any points, the numbers of their points.

        Returns:
            Numbers [points of the block] by the number of the block.

        Raises:
            ValueError: When the file of a block is damaged.
        """
        return {k: torch.from_numpy(points) for k, points in known_order(self.path, self._order).items()}

    def keep(self, start: int, points: Tensor, sums: Tensor, facts: dict[str, Any] | None) -> None:
        """Writes the sums of a block, whole or not at all, and what is new of the plan.

        Args:
            start: The row of the first point of the block.
            points: The numbers of its points.
            sums: Its sums [points, measures].
            facts: "plan", "plans_measured" and "fallback"; None where another process writes them.

        Raises:
            OSError: When it cannot be written. All blocks before it are safe.
        """
        with _writing(self.path):
            if facts not in (None, self.facts):
                self._group("r+").attrs.update(facts)
                self.facts = json.loads(json.dumps(facts))
            if self._order is not None:  # before the sums, whose file says that the block is there
                self._order[start : start + len(sums)] = points.numpy()
            self._sums[start : start + len(sums)] = sums.numpy()

    def keep_over_parts(self, number: int, start: int, sums: Tensor) -> None:
        """Writes the sums of a block over the first parts of the data; those over one part less stay.

        Args:
            number: How many parts.
            start: The first point of the block.
            sums: Its sums [points, measures].

        Raises:
            OSError: When it cannot be written. The sums over fewer parts are safe.
        """
        with _writing(self.path):
            self._group("r+")[f"sums_{number % 2}"][start : start + len(sums)] = sums.numpy()

    def part_kept(self, number: int, samples: int, digest: str, facts: dict[str, Any]) -> None:
        """Writes into the header, and so whole or not at all, that the sums of all blocks over some parts are there.

        Args:
            number: How many parts.
            samples: How many samples they have.
            digest: What tells the data so far from others.
            facts: "plan", "plans_measured" and "fallback".

        Raises:
            OSError: When it cannot be written. The sums over fewer parts are safe.
        """
        with _writing(self.path):
            digests = [*self.digests, digest]
            self._group("r+").attrs.update({**facts, "parts": number, "part_samples": samples, "digests": digests})
        self.parts, self.digests = number, digests

    def accumulated(self) -> Tensor:
        """The sums [G, measures] over the parts of the data that are kept.

        Returns:
            The sums.

        Raises:
            ValueError: When they are damaged.
        """
        with reading(self.path):
            return torch.from_numpy(self._group("r")[f"sums_{self.parts % 2}"][:])

    def finish(self, values: Values) -> None:
        """Writes the landscape, once all points are known.

        Args:
            values: Its values.

        Raises:
            OSError: When it cannot be written.
        """
        # Written also where it is all true: a call before, with a larger tolerance, may have left another one.
        grids = {**values.measures, "evaluated": values.evaluated, "standard_error": values.standard_error}
        with _writing(self.path):
            for name, grid in grids.items():
                if grid is not None:
                    self._array(name, data=grid, dimension_names=tuple(values.axes), overwrite=True)
            self._group("r+").attrs.update({"report": json.loads(json.dumps(dict(values.report)))})

    def _group(self, mode: Any) -> Any:
        return self._zarr.open_group(str(self.path), mode=mode, zarr_format=3)

    def _array(self, name: str, **options: Any) -> Any:
        return self._zarr.create_array(store=str(self.path), name=name, **options)

    def _create_axes(self, asked: StoreAsked) -> None:
        for name, axis in asked.axes.items():
            self._array(name, data=axis, dimension_names=(name,), overwrite=True)
        if asked.directions is not None:
            entries = min(_DIRECTION_ENTRIES, max(asked.directions.shape[1], 1))
            names = ("direction", "entry")
            chunks = {"chunks": (1, entries), "dimension_names": names}
            self._array("directions", data=asked.directions, **chunks, **self._checked)

    def _create_sums(self, asked: StoreAsked, size: int) -> None:
        shape, streams = asked.rows(size), asked.settings["stream"] is not None
        options: dict[str, Any] = {"dtype": "float64", "fill_value": float("nan"), **self._checked}
        for name in ("sums", "sums_0", "sums_1") if streams else ("sums",):
            names = ("point", "measure")
            self._array(name, shape=shape, chunks=(size, shape[1]), dimension_names=names, **options)
        if not asked.ordered:
            options |= {"dtype": "int64", "fill_value": -1}
            self._array("order", shape=shape[:1], chunks=(size,), dimension_names=("point",), **options)

    @property
    def _checked(self) -> dict[str, Any]:
        """Options of arrays whose files have a checksum."""
        return {"compressors": [self._zarr.codecs.Crc32cCodec()], "overwrite": True}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Says of an error in writing what is safe."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno,
            f"{path} cannot be written to ({error.strerror or error}); what it holds is safe: mend that, and call the "
            "same again to go on",
        ) from error
