"""The writer's view of the folder of a recording, in which no record is ever half written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from fastscape.results import write_whole
from fastscape.training.copying import Copy
from fastscape.training.thinning import thinned
from fastscape.weights import FORMAT, INDEX, VERSION, Row, listed, rows_of

__all__ = ["Folder"]

LOCK = ".lock"
PATIENCE = 5.0  # seconds; workers of a data loader may hold the lock this long after their process was killed
_OWN = re.compile(r"step-\d{12,}(-\d+)?\.safetensors")
_LEFT = re.compile(rf"\.({_OWN.pattern}|{re.escape(INDEX)})\.[0-9a-f]+\.tmp")


class Folder:
    """The folder of a recording, locked by one writer until it is closed.

    Each file is on the disk before its line in the index. So a killed writer leaves at most a file without a line and
    half a line, which are no record. Both are deleted when the folder is opened again.

    Args:
        path: The folder; it is created if missing.

    Raises:
        OSError: When the folder cannot be created or written to.
        ValueError: When the folder holds something else, or another writer has it.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock, Timeout  # filelock loads asyncio

        self.path = path
        _check_folder(path)
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / LOCK, thread_local=False)  # any thread may release what another took
        try:
            self._lock.acquire(timeout=PATIENCE, poll_interval=0.05)
        except Timeout:
            raise ValueError(
                f"another Recorder is writing to {path}; close() it, wait for its process, or give another folder"
            ) from None
        try:
            self.rows, self.every = self._taken_up()
        except BaseException:
            self._lock.release()
            raise

    def add(self, step: int, copy: Copy, measures: Mapping[str, float]) -> None:
        """Writes a record: first its file, then its line.

        Args:
            step: The step of the training. Records from this step on are dropped.
            copy: The weights.
            measures: Numbers recorded beside the weights.

        Raises:
            OSError: When the record cannot be written. All earlier records are safe.
        """
        row = Row(step, self._free_name(step), len(copy.content), dict(measures))
        write_whole(self.path / row.file, copy.content)
        try:
            self._append(_line(row))
        except OSError:
            (self.path / row.file).unlink(missing_ok=True)
            raise
        self.rows = [*self.before(step), row]

    def before(self, step: int) -> list[Row]:
        """The records before a step."""
        return [row for row in self.rows if row.step < step]

    def thin(self, every: int) -> None:
        """Drops every second record, except the first and the last.

        Args:
            every: Steps from one record to the next from now on.

        Raises:
            OSError: When the index cannot be written. All records are safe.
        """
        rows = thinned(self.rows)
        self._write_index(rows, every)
        dropped = {row.file for row in self.rows} - {row.file for row in rows}
        self.rows, self.every = rows, every
        for name in dropped:
            with suppress(OSError):  # remaining files are deleted when the folder is opened again
                (self.path / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Releases the folder."""
        self._lock.release()

    def _taken_up(self) -> tuple[list[Row], int]:
        """Reads the existing records and the number of steps between them, and deletes everything else."""
        index = self.path / INDEX
        if not index.exists():
            self._write_index([], 1)
            return [], 1
        rows = rows_of(self.path)
        every = int(json.loads(index.read_bytes().partition(b"\n")[0]).get("every", 1))
        for row in rows:
            file = self.path / row.file
            found = file.stat().st_size if file.is_file() else None
            if found != row.bytes:
                state = "is missing" if found is None else f"has {found} bytes instead of {row.bytes}"
                raise ValueError(
                    f"{file}, of step {row.step}, {state}; put it back, delete its line in {INDEX}, or give another "
                    "folder"
                )
        if index.read_bytes() != _index(rows, every):
            self._write_index(rows, every)
        self._sweep({row.file for row in rows})
        self._size = len(_index(rows, every))
        return rows, every

    def _sweep(self, named: set[str]) -> None:
        for entry in list(os.scandir(self.path)):
            if _LEFT.fullmatch(entry.name) or (_OWN.fullmatch(entry.name) and entry.name not in named):
                with suppress(OSError):  # a file that cannot be deleted does no harm
                    Path(entry.path).unlink()

    def _free_name(self, step: int) -> str:
        """A file name that is not in use, so a line never leads to the weights of a different record."""
        name, number = f"step-{step:012d}.safetensors", 1
        while (self.path / name).exists():
            number += 1
            name = f"step-{step:012d}-{number}.safetensors"
        return name

    def _append(self, line: bytes) -> None:
        """Appends a line to the index, after the last complete line."""
        with (self.path / INDEX).open("r+b", buffering=0) as file:
            try:
                file.truncate(self._size)
                file.seek(self._size)
                if file.write(line) != len(line):
                    raise OSError(f"no room on the disk for a line of {self.path / INDEX}")
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # half a line is no record, and the next line overwrites it
                    file.truncate(self._size)
                raise
        self._size += len(line)

    def _write_index(self, rows: list[Row], every: int) -> None:
        content = _index(rows, every)
        write_whole(self.path / INDEX, content)
        self._size = len(content)


def _index(rows: Iterable[Row], every: int) -> bytes:
    """The index, with the new `every` after thinning."""
    head: dict[str, object] = {"format": FORMAT, "version": VERSION}
    if every > 1:
        head["every"] = every
    return b"".join([json.dumps(head).encode() + b"\n", *map(_line, rows)])


def _line(row: Row) -> bytes:
    return json.dumps({**asdict(row), "measures": dict(row.measures)}).encode() + b"\n"


def _check_folder(path: Path) -> None:
    """Refuses a folder that is not a recording."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; give the name of a folder, for example 'run'")
    names = [entry.name for entry in path.iterdir()] if path.exists() else []
    strangers = sorted(name for name in names if name != LOCK and not _LEFT.fullmatch(name))
    if strangers and INDEX not in strangers:
        raise ValueError(f"{path} holds {listed(strangers, 3)} and is no recording; give a folder that is new")
