"""Reading a store: what it holds so far, also while a run writes to it.

The layout of a store is described in `fastscape.runs.store.writing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import AXES, Values

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = [
    "FORMAT",
    "VERSION",
    "check_format",
    "known_blocks",
    "known_order",
    "known_reach",
    "lock_of",
    "read_store",
    "reading",
    "rows_of",
    "zarr_package",
]

FORMAT, VERSION = "fastscape-store", 1

MOST_PARTLY_FULL = 1024  # blocks of points that were asked for round by round


class _Refused(ValueError):
    """What is wrong was said already."""


def read_store(path: Path) -> Values:
    """What a store holds so far: NaN where a point is not known yet.

    Args:
        path: The folder.

    Returns:
        The values; the report of an unfinished one has "settings", "plan" and "progress".

    Raises:
        ImportError: When zarr is not installed.
        OSError: When it cannot be read.
        ValueError: When it is no store of this version, or damaged.
    """  # noqa: DOC501 - a refusal is a ValueError
    zarr = zarr_package()
    with reading(path):
        try:
            group = zarr.open_group(str(path), mode="r", zarr_format=3)
        except FileNotFoundError as error:
            raise _Refused(f"{path} is no store that fastscape has written; give the folder of a store") from error
        attributes = check_format(path, dict(group.attrs))
        if "settings" not in attributes:
            raise _Refused(f"{path} was ended before it had begun; compute the landscape again with this store")
        axes = {name: group[name][:] for name in AXES[: attributes["settings"]["axes"]]}
        return (_finished if "report" in attributes else _unfinished)(path, group, attributes, axes)


def _finished(path: Path, group: Any, attributes: dict[str, Any], axes: dict[str, np.ndarray]) -> Values:
    grids = {name: group[name][:] for name in attributes["settings"]["measures"]}
    error, evaluated = (group[n][:] if n in group else None for n in ("standard_error", "evaluated"))
    return Values(axes, grids, attributes["report"], error, evaluated)


def _unfinished(path: Path, group: Any, attributes: dict[str, Any], axes: dict[str, np.ndarray]) -> Values:
    settings, samples = attributes["settings"], attributes["settings"]["samples"]
    shape = tuple(map(len, axes.values()))
    sums = np.full((math.prod(shape), group["sums"].shape[1]), np.nan)
    order, size = known_order(path, group["order"]) if "order" in group else None, group["sums"].chunks[0]
    known = known_blocks(path, group["sums"], order)
    for k, part in known.items():
        sums[np.arange(k * size, k * size + len(part)) if order is None else order[k]] = part
    progress = {"points": sum(map(len, known.values())), "of": len(sums), "running": _running(path)}
    if settings["stream"] is not None:
        parts = attributes.get("parts", 0)
        progress = {"parts": parts, "samples": attributes.get("part_samples", 0), "running": _running(path)}
        if parts:
            sums, samples = group[f"sums_{parts % 2}"][:], attributes["part_samples"]
    # Behind the measures there may be the squares of the losses.
    grids = {n: (s / samples).reshape(shape) for n, s in zip(settings["measures"], sums.T, strict=False)}
    return Values(axes, grids, {"progress": progress, "settings": settings, "plan": attributes.get("plan")})


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Says of whatever zarr raises on damaged files which store it was.

    Args:
        path: The store.

    Yields:
        Nothing.

    Raises:
        ValueError: In the place of what is raised, but for errors of the system.
    """  # noqa: DOC501 - a refusal is a ValueError
    try:
        yield
    except (_Refused, OSError):
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {error}); what its other files hold is not lost, but give "
            "another store"
        ) from error


def zarr_package() -> Any:
    """The module zarr.

    Returns:
        The module.

    Raises:
        ImportError: When it is not installed.
    """
    try:
        import zarr
    except ImportError as error:
        message = "a store needs zarr; write pip install 'torch-fastscape[store]', with Python 3.11 or later"
        raise ImportError(message) from error
    return zarr


def lock_of(path: Path) -> FileLock:
    """What one process at a time can have; beside the store, in which zarr expects nothing but its own files.

    Args:
        path: The store.

    Returns:
        The lock.
    """
    from filelock import FileLock  # which loads asyncio

    return FileLock(path.resolve().with_name(f".{path.resolve().name}.lock"))


def _running(path: Path) -> bool:
    """Whether a process has the store."""
    from filelock import Timeout

    lock = lock_of(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # where nobody may write, nobody does
        return False
    lock.release()
    return False


def known_blocks(path: Path, array: Any, order: dict[int, np.ndarray] | None = None) -> dict[int, np.ndarray]:
    """The sums of the blocks whose files are there.

    Args:
        path: The store.
        array: Its sums [points, measures].
        order: Where blocks are of any points, what `known_order` gives. Default: they are neighbours.

    Returns:
        Sums [points of the block, measures] by the number of the block.

    Raises:
        ValueError: When a file is damaged.
    """
    size = array.chunks[0]
    found = {}
    for k in range(-(-array.shape[0] // size)):
        file = path / "sums" / "c" / str(k) / "0"
        if not file.exists():
            continue
        with _block(file):
            found[k] = array[k * size : (k + 1) * size]
    if order is not None:  # such a block may not be full
        found = {k: sums[: len(order[k])] for k, sums in found.items() if k in order}
    return found


def known_order(path: Path, array: Any) -> dict[int, np.ndarray]:
    """The numbers of the points of those blocks whose files are there.

    Args:
        path: The store.
        array: Its order [points].

    Returns:
        Numbers [points of the block] by the number of the block.

    Raises:
        ValueError: When a file is damaged.
    """
    size, found = array.chunks[0], {}
    for file in (path / "order" / "c").glob("*"):
        with _block(file):
            numbers = array[int(file.name) * size : (int(file.name) + 1) * size]
        found[int(file.name)] = numbers[numbers >= 0]
    return found


@contextmanager
def _block(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # the codecs raise what they like
        raise _Refused(
            f"{file} is damaged ({error}); delete it to have its points computed again: the others are whole"
        ) from error


def known_reach(path: Path) -> dict[str, Any]:
    """How far those axes go whose range was chosen when a store was begun.

    Args:
        path: The store.

    Returns:
        What the report says of each, by the name of the axis; empty where a store was not begun yet.

    Raises:
        ValueError: When the header is damaged.
    """
    with reading(path):
        try:
            attributes = dict(zarr_package().open_group(str(path), mode="r", zarr_format=3).attrs)
        except FileNotFoundError:
            return {}
        return dict(attributes.get("reach") or {}) if "settings" in attributes else {}


def rows_of(points: int, size: int, *, ordered: bool) -> int:
    """How many rows the sums of a store have.

    Args:
        points: Number of points G of the grid.
        size: Points of a block.
        ordered: Whether blocks are of neighbouring points; else some may not be full.

    Returns:
        The number; rows that nothing is written to take no place.
    """
    return points if ordered else (-(-points // size) + MOST_PARTLY_FULL) * size


def check_format(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    """The header of a store.

    Args:
        path: The store.
        attributes: Of its group.

    Returns:
        The attributes.

    Raises:
        ValueError: When they are those of something else, or of another version.
    """  # noqa: DOC501 - a refusal is a ValueError
    if attributes.get("format") != FORMAT:
        raise _Refused(f"{path} is no store that fastscape has written; give the folder of a store, or a new one")
    if attributes.get("version") != VERSION:
        raise _Refused(
            f"{path} has version {attributes.get('version')!r} of the format; this fastscape reads version "
            f"{VERSION}: give another store, or use the fastscape that wrote it"
        )
    return attributes
