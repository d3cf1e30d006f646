"""Writes the records: opens the folder at the first record, and owns the thread that writes to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from fastscape.training.background import Background
from fastscape.training.copying import Copy
from fastscape.training.folder import Folder

__all__ = ["Writer"]


class Writer:
    """Writes to the folder of a recording, which it opens at first use.

    Args:
        path: The folder.
        threaded: Whether to write on a separate thread.
    """

    def __init__(self, path: Path, threaded: bool) -> None:
        self.path, self.closed = path, False
        self._background = Background(threaded)
        self._folder: Folder | None = None
        self._process = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether the folder was opened."""
        return self._folder is not None

    @property
    def folder(self) -> Folder:
        """The folder; during a write its records may not include the newest record."""
        if self._folder is None:
            self._folder = Folder(self.path)
        return self._folder

    def settle(self, *, waits: bool = True) -> None:
        """Raises the error of a failed write.

        Args:
            waits: Whether to wait for the current write. Default True.

        Raises:
            OSError: When a record could not be written.
        """
        if waits or self._background.failed():
            self._background.settle()

    def write(self, step: int, copy: Copy, measures: Mapping[str, float], every: int | None) -> None:
        """Writes a record.

        Args:
            step: The step of the training.
            copy: The weights.
            measures: Numbers recorded beside the weights.
            every: The number of steps between records after thinning; None to leave the records unchanged.

        Raises:
            OSError: When the record cannot be written; with a thread, raised when it is settled.
        """
        self._background.do(partial(_written, self.folder, step, copy, measures, every))

    def close(self) -> None:
        """Ends the writing when all records are written. A forked process leaves this to its parent.

        Raises:
            OSError: When a record could not be written.
        """
        if self.closed or os.getpid() != self._process:
            return
        self.closed = True
        try:
            self._background.close()
        finally:
            if self._folder is not None:
                self._folder.close()


def _written(folder: Folder, step: int, copy: Copy, measures: Mapping[str, float], every: int | None) -> None:
    folder.add(step, copy, measures)
    if every is not None:
        folder.thin(every)
