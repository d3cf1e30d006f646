"""Writing files so that nothing is ever half written, and nothing is left behind for ever."""

from __future__ import annotations

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["write_whole"]

_TRIES = 4


def write_whole(path: Path, content: bytes | bytearray) -> None:
    """Writes a file under a temporary name beside it and renames it, so that a failure leaves an older file as it was.

    The content is on the disk before the name is, so that a loss of power leaves the old file or the new one. A
    process that is killed leaves its temporary file; the next one that writes the same file deletes it. Whoever writes
    holds a lock on the temporary file, which the system gives up for a process that has died, on this machine or
    another. Where a file system has no such locks, a file that is still written to may be deleted; it is then written
    again.

    Args:
        path: The file; of a link, what it leads to. Missing folders are created.
        content: All of it.

    Raises:
        OSError: When it cannot be written.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):  # somebody took the temporary file for one that was left behind
            return _write(path, content)
    _write(path, content)


def _write(path: Path, content: bytes | bytearray) -> None:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("xb") as file:
            _locked(file)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Deletes what processes that were killed have left of a file."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]+\.tmp")
    with suppress(OSError):  # what cannot be swept does no harm
        for entry in list(os.scandir(path.parent)):
            if left.fullmatch(entry.name):
                with suppress(OSError):
                    _delete_unless_locked(Path(entry.path))


def _delete_unless_locked(path: Path) -> None:
    with path.open("r+b") as file:
        if not _locked(file):
            return
        if sys.platform != "win32":
            path.unlink()
    if sys.platform == "win32":  # where a file cannot be deleted that somebody has open: that is the lock
        path.unlink()


def _locked(file: IO[Any]) -> bool:
    """Takes the lock of a file until it is closed, where there are locks; whether nobody else has it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # this file system has no locks
            return True
    return True
