"""Reads the values that a store has so far, also while a run writes to it.

The layout of a store is described in `fastscape.runs.store.writing`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results import MOST_AXES, REPEAT, Values, axis_names, mean_over_repeats
from fastscape.runs.store.arrays import described, ill_described, opened, whole_array
from fastscape.runs.store.declared import check_declared
from fastscape.runs.store.errors import Refused, file_read, no_store, reading, zarr_package
from fastscape.runs.store.folder import grid_name, running
from fastscape.runs.store.header import header_bytes, header_in, header_of, parts_in

__all__ = ["axis_in", "finished_grid", "known_blocks", "known_order", "known_reach", "read_store", "rows_of", "summed"]

MOST_PARTLY_FULL = 1024  # blocks of points requested round by round
PATIENCE = 10.0  # seconds that a reader waits for a moment in which the header does not change

BLOCK_CURE = "delete it to have its points computed again: the others are whole"
CURE = "call the same again with this store: it is written anew, and nothing that is kept is computed again"


def read_store(path: Path) -> Values:
    """Reads the values that a store has so far: NaN at points not known yet.

    Args:
        path: The folder.

    Returns:
        The values; the report of an unfinished store has "settings", "plan" and "progress".

    Raises:
        ImportError: When zarr is not installed.
        OSError: When it cannot be read.
        ValueError: When it is not a store of this version, or damaged.
    """
    zarr_package()
    ended = time.monotonic() + PATIENCE
    while True:
        before = header_bytes(path)
        try:
            return _unchanged(path, before, _values(path, before), late=time.monotonic() > ended)
        except _Changed:  # a run is writing, and the reads may be from two moments
            continue
        except (OSError, ValueError):
            if header_bytes(path) == before or time.monotonic() > ended:
                raise


class _Changed(Exception):
    """A store was written to while it was read."""


def _unchanged(path: Path, before: bytes, values: Values, *, late: bool) -> Values:
    """The values, if the header has not changed since."""
    if header_bytes(path) == before:
        return values
    if late:
        raise Refused(f"{path} changes faster than it can be read; try again later")
    raise _Changed


def _values(path: Path, content: bytes) -> Values:
    """Reads a store, given the content of its header."""
    with reading(path):
        header = header_in(path, content)
        if "settings" not in header:
            if not any(path.iterdir()):
                raise no_store(path)
            raise Refused(f"{path} was ended before it had begun; compute the landscape again with this store")
        group, names = opened(path), _axes_in(header["settings"])
        measures, beside = header["settings"]["measures"], header.get("finished", {}).get("beside", False)
        grids = [grid_name(name, beside=beside) for name in (*measures, "standard_error", "evaluated")]
        check_declared(path, group, names, grids, len(measures), rows_of)
        axes = {name: axis_in(path, group, header, name) for name in names}
        return mean_over_repeats((_finished if "report" in header else _unfinished)(path, group, header, axes))


def _axes_in(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the axes; if random directions were repeated, the first axis counts the repeats."""
    repeated = (REPEAT,) if settings.get("repeats", 1) > 1 else ()
    count = int(settings["axes"]) - len(repeated)
    if not 1 <= count <= MOST_AXES:
        raise ValueError(f"it has {count} axes")
    return (*repeated, *axis_names(count))


def axis_in(path: Path, group: Any, header: Mapping[str, Any], name: str) -> np.ndarray:
    """The coordinates of an axis.

    Args:
        path: The store.
        group: Its arrays.
        header: Its header.
        name: The name of the axis.

    Returns:
        The coordinates [n].

    Raises:
        ValueError: When they are damaged.
    """
    digest = header.get("arrays", {}).get(name)
    # For a single coordinate 0, version 0.1 wrote no file.
    strict = digest is not None or described(path, group, name, CURE).shape != (1,)
    return whole_array(path, group, name, cure=CURE, digest=digest, strict=strict)


def _finished(path: Path, group: Any, header: Mapping[str, Any], axes: dict[str, np.ndarray]) -> Values:
    names = header["settings"]["measures"]
    grids = {name: finished_grid(path, group, header, name) for name in names}
    if "finished" not in header and any(not grid.any() for grid in grids.values()):
        _check_zeros(path, grids, _unfinished(path, group, header, axes).measures)
    written = header["finished"]["digests"] if "finished" in header else group
    others = [n for n in ("standard_error", "evaluated") if n in written]
    found = {name: finished_grid(path, group, header, name) for name in others}
    return Values(axes, grids, header["report"], found.get("standard_error"), found.get("evaluated"))


def finished_grid(path: Path, group: Any, header: Mapping[str, Any], name: str) -> np.ndarray:
    """A grid of a finished store.

    Args:
        path: The store.
        group: Its arrays.
        header: Its header, which names the place of the grids.
        name: The name of the grid.

    Returns:
        The values.

    Raises:
        ValueError: When they are damaged.
    """
    if "finished" not in header:  # version 0.1 wrote no file for a measure that is 0 everywhere
        strict = name not in header["settings"]["measures"]
        return whole_array(path, group, name, cure=CURE, strict=strict)
    finished = header["finished"]
    place = grid_name(name, beside=bool(finished["beside"]))
    return whole_array(path, group, place, cure=CURE, digest=finished["digests"][name])


def _check_zeros(path: Path, grids: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray]) -> None:
    """Refuses zeros instead of a grid whose file is missing, unless the sums are 0 everywhere."""
    for name, grid in grids.items():
        values = known[name][~np.isnan(known[name])]
        if not grid.any() and (not values.size or values.any()):
            raise Refused(f"{path / name} is missing or damaged: its values are 0, and the sums are not; {CURE}")


def _unfinished(path: Path, group: Any, header: Mapping[str, Any], axes: dict[str, np.ndarray]) -> Values:
    settings = header["settings"]
    samples: Any = settings.get("counts", settings["samples"])
    for name in ill_described(path, header):
        raise Refused(f"{path / name / 'zarr.json'} is missing or damaged; {CURE}")
    shape = tuple(map(len, axes.values()))
    sums = np.full((math.prod(shape), group["sums"].shape[1]), np.nan)
    if settings["stream"] is not None:
        parts, read = parts_in(header)
        progress = {"parts": parts, "samples": read, "running": running(path)}
        if parts:
            sums, samples = summed(path, group, header), header.get("part_counts", read)
    else:
        order, size = known_order(path, group["order"]) if "order" in group else None, group["sums"].chunks[0]
        known = known_blocks(path, group["sums"], order)
        for k, part in known.items():
            sums[np.arange(k * size, k * size + len(part)) if order is None else order[k]] = part
        progress = {"points": sum(map(len, known.values())), "of": len(sums), "running": running(path)}
    # The moments of the loss may follow the measures.
    with np.errstate(invalid="ignore"):  # a data set that was not read yet has no samples
        means = (sums / np.asarray(samples)).T
    grids = {n: mean.reshape(shape) for n, mean in zip(settings["measures"], means, strict=False)}
    return Values(axes, grids, {"progress": progress, "settings": settings, "plan": header.get("plan")})


def summed(path: Path, group: Any, header: Mapping[str, Any]) -> np.ndarray:
    """The sums over the parts of the data that a header names.

    Args:
        path: The store.
        group: Its arrays.
        header: Its header; for data in parts, with at least one part.

    Returns:
        The sums [G, measures].

    Raises:
        ValueError: When they are damaged.
    """
    cure = "it cannot be computed again without the parts before: give another store"
    strict = header.get("every_file", False)  # version 0.1 wrote no file for NaN everywhere
    return whole_array(path, group, f"sums_{parts_in(header)[0] % 2}", cure=cure, strict=strict)


def known_blocks(path: Path, array: Any, order: dict[int, np.ndarray] | None = None) -> dict[int, np.ndarray]:
    """The sums of the blocks whose files exist.

    Args:
        path: The store.
        array: Its sums [points, measures].
        order: The result of `known_order`, if the points of a block need not be neighbours. Default: they are
            neighbours.

    Returns:
        Sums [points of the block, measures] by the number of the block.

    Raises:
        ValueError: When a file is damaged.
    """
    size, found = array.chunks[0], {}
    for k in _numbers(path / "sums" / "c"):
        file = path / "sums" / "c" / str(k) / "0"
        if file.exists():
            with file_read(file, BLOCK_CURE):
                found[k] = array[k * size : (k + 1) * size]
    if order is not None:  # a block of such points may not be full
        found = {k: sums[: len(order[k])] for k, sums in found.items() if k in order}
    return found


def known_order(path: Path, array: Any) -> dict[int, np.ndarray]:
    """The numbers of the points of the blocks whose files exist.

    Args:
        path: The store.
        array: Its order [points].

    Returns:
        Numbers [points of the block] by the number of the block.

    Raises:
        ValueError: When a file is damaged.
    """
    size, found = array.chunks[0], {}
    for k in _numbers(path / "order" / "c"):
        with file_read(path / "order" / "c" / str(k), BLOCK_CURE):
            numbers = array[k * size : (k + 1) * size]
        found[k] = numbers[numbers >= 0]
    return found


def _numbers(folder: Path) -> list[int]:
    """The numbers in the names of the entries of a folder; other entries are temporary, or foreign to a store."""
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal() and str(int(name)) == name)


def known_reach(path: Path) -> dict[str, Any]:
    """The ranges of axes that were chosen when a store was created.

    Args:
        path: The store.

    Returns:
        The entry of the report by the name of the axis; empty if the store was not created yet.

    Raises:
        ValueError: When the header is damaged.
    """
    with reading(path):
        header = header_of(path)
        return dict(header.get("reach") or {}) if "settings" in header else {}


def rows_of(points: int, size: int, *, ordered: bool) -> int:
    """The number of rows of the sums of a store.

    Args:
        points: Number of points G of the grid.
        size: Points of a block.
        ordered: Whether the points of a block are neighbours; else some blocks may not be full.

    Returns:
        The number; rows without values take no space.
    """
    return points if ordered else (-(-points // size) + MOST_PARTLY_FULL) * size
