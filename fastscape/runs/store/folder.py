"""The folder of a store: who has it, and what a writer that was killed has left in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["BESIDE", "HEADER", "LEVEL", "check_folder", "grid_name", "is_leftover", "lock_of", "running", "sweep"]

HEADER = "zarr.json"
BESIDE = "finished_anew"  # the folder of a finished landscape that takes the place of another one
LEVEL = "level_1"  # the folder of a store within a store: of a draw of the samples


def grid_name(name: str, *, beside: bool) -> str:
    """The place of a grid of a finished landscape in the folder of its store.

    Args:
        name: Of the grid.
        beside: Whether another landscape lies where it belongs.

    Returns:
        The name of its array.
    """
    return f"{BESIDE}/{name}" if beside else name


def is_leftover(name: str) -> bool:
    """Whether a file is one that was to be renamed once it was whole: by zarr, or by `write_whole`.

    Args:
        name: Of the file, without its folder.

    Returns:
        Whether it is.
    """
    return name.endswith(".partial") or (name.startswith(".") and name.endswith(".tmp"))


def check_folder(path: Path) -> None:
    """Refuses what is there and no store.

    Args:
        path: Where a store is wanted.

    Raises:
        ValueError: When it is a file, or a folder of other things. One with nothing but leftovers is a store that was
            ended before it had begun.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"store={str(path)!r} is a file; give the name of a folder, for example 'run.zarr'")
    names = [entry.name for entry in path.iterdir()] if path.exists() else []
    strangers = sorted(name for name in names if not is_leftover(name))
    if strangers and HEADER not in strangers:
        raise ValueError(f"{path} holds {', '.join(strangers[:3])} and is no store; give a folder that is new")


def sweep(path: Path) -> None:
    """Deletes the leftovers of writers that were killed; only who has the store may do it.

    Args:
        path: The store.
    """
    for folder, _, files in os.walk(path):
        for name in filter(is_leftover, files):
            (Path(folder) / name).unlink(missing_ok=True)


def lock_of(path: Path) -> FileLock:
    """What one process at a time can have; beside the store, in which zarr expects nothing but its own files.

    Args:
        path: The store.

    Returns:
        The lock.
    """
    from filelock import FileLock  # which loads asyncio

    return FileLock(path.resolve().with_name(f".{path.resolve().name}.lock"))


def running(path: Path) -> bool:
    """Whether a process has a store.

    Args:
        path: The store.

    Returns:
        Whether one has.
    """
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
