"""Writes files so that no file is ever half written, and no temporary file is left behind for ever."""

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

    The content is on the disk before the name is, so that a loss of power leaves the old file or the new file. A
    process that is killed leaves its temporary file; the next process that writes the same file deletes it. A writing
    process holds a lock on its temporary file. The system releases the lock if the process dies, on this machine or a
    different one. If a file system has no such locks, a file that is still written to may be deleted; it is then
    written again.

    Args:
        path: The file, or a link to it. Missing folders are created.
        content: The whole content.

    Raises:
        OSError: When the file cannot be written.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):  # a different process took the temporary file for an old one
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
    """Deletes the temporary files of a file that killed processes have left."""
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]+\.tmp")
    with suppress(OSError):  # a file that cannot be deleted does no harm
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
    if sys.platform == "win32":  # an open file cannot be deleted there: that is the lock
        path.unlink()


def _locked(file: IO[Any]) -> bool:
    """Locks a file until it is closed, if the file system has locks; False if a different process holds the lock."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:  # this file system has no locks
            return True
    return True
