"""Who writes the records: the folder, from the first record until the end, and the thread that writes to it."""

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
    """Writes to the folder of a recording, which it opens when it is asked for first.

    Args:
        path: The folder.
        threaded: Whether it writes on a thread of its own.
    """

    def __init__(self, path: Path, threaded: bool) -> None:
        self.path, self.closed = path, False
        self._background = Background(threaded)
        self._folder: Folder | None = None
        self._process = os.getpid()

    @property
    def is_open(self) -> bool:
        """Whether the folder was asked for."""
        return self._folder is not None

    @property
    def folder(self) -> Folder:
        """The folder; while something is written its records may be those of a moment before."""
        if self._folder is None:
            self._folder = Folder(self.path)
        return self._folder

    def settle(self, *, waits: bool = True) -> None:
        """Raises the error of what could not be written.

        Args:
            waits: Whether what is written now is waited for. Default True.

        Raises:
            OSError: When something could not be written.
        """
        if waits or self._background.failed():
            self._background.settle()

    def write(self, step: int, copy: Copy, measures: Mapping[str, float], every: int | None) -> None:
        """Writes a record.

        Args:
            step: Of the training.
            copy: The weights.
            measures: What is recorded beside them.
            every: What thinning has made of the steps between records; None to leave the records as they are.

        Raises:
            OSError: When it cannot be written; with a thread when it is settled.
        """
        self._background.do(partial(_written, self.folder, step, copy, measures, every))

    def close(self) -> None:
        """Ends the writing, once all is written. A process that was forked leaves it to the one it comes from.

        Raises:
            OSError: When something could not be written.
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
