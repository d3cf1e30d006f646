"""The folder of a store: its lock, and the leftovers of killed writers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock

__all__ = ["BESIDE", "HEADER", "LEVEL", "check_folder", "grid_name", "is_leftover", "lock_of", "running", "sweep"]

HEADER = "zarr.json"
BESIDE = "finished_anew"  # the folder of a finished landscape that replaces an earlier landscape
LEVEL = "level_1"  # the folder of the inner store, for a draw of the samples


def grid_name(name: str, *, beside: bool) -> str:
    """The place of a grid of a finished landscape in the folder of its store.

    Args:
        name: The name of the grid.
        beside: Whether an earlier landscape is at its place.

    Returns:
        The name of its array.
    """
    return f"{BESIDE}/{name}" if beside else name


def is_leftover(name: str) -> bool:
    """Whether a file is a temporary file of zarr or of `write_whole`, to be renamed when complete.

    Args:
        name: The name of the file, without its folder.

    Returns:
        Whether it is.
    """
    return name.endswith(".partial") or (name.startswith(".") and name.endswith(".tmp"))


def check_folder(path: Path) -> None:
    """Refuses a path that exists and is not a store.

    Args:
        path: The path for the store.

    Raises:
        ValueError: When the path is a file, or a folder with other contents. A folder with nothing but leftovers is a
            store whose run ended at the start.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"store={str(path)!r} is a file; give the name of a folder, for example 'run.zarr'")
    names = [entry.name for entry in path.iterdir()] if path.exists() else []
    strangers = sorted(name for name in names if not is_leftover(name))
    if strangers and HEADER not in strangers:
        raise ValueError(f"{path} holds {', '.join(strangers[:3])} and is no store; give a folder that is new")


def sweep(path: Path) -> None:
    """Deletes the leftovers of killed writers; only the holder of the lock may do this.

    Args:
        path: The store.
    """
    for folder, _, files in os.walk(path):
        for name in filter(is_leftover, files):
            (Path(folder) / name).unlink(missing_ok=True)


def lock_of(path: Path) -> FileLock:
    """The lock of a store, for one process at a time; it is beside the store, where zarr expects no own files.

    Args:
        path: The store.

    Returns:
        The lock.
    """
    from filelock import FileLock  # filelock loads asyncio

    return FileLock(path.resolve().with_name(f".{path.resolve().name}.lock"))


def running(path: Path) -> bool:
    """Whether a process holds the lock of a store.

    Args:
        path: The store.

    Returns:
        Whether a process does.
    """
    from filelock import Timeout

    lock = lock_of(path)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # no process can write to a read-only folder
        return False
    lock.release()
    return False
