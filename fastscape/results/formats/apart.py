"""Reads HDF5 in a separate process, as the C library runs in circles or dies on some damaged files."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from fastscape.results.formats import stored

__all__ = ["parts_apart"]

PROGRAM = stored.__file__

_PATIENCE = 60.0  # seconds, and one second per megabyte: for systems that cannot limit the time of a process
_LINE = 1 << 26  # letters
_NO_END = "HDF5 runs in circles on it, dies of it, or asks for more memory than it can need"


def parts_apart(path: Path) -> Iterator[tuple[str, Any]]:
    """The parts of an HDF5 file, as `fastscape.results.formats.stored.parts` yields them.

    The process may take some seconds of the processor and some times the memory of the file, besides the time and
    memory that numbers need. If no process can be started, this process reads the file.

    Args:
        path: The file.

    Yields:
        Names, and the report or the numbers.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file has no such parts, or HDF5 does not finish reading it.
    """  # noqa: DOC501 - that nothing was said is a ValueError
    with path.open("rb"):  # an error of the system is raised in this process
        pass
    program = f"import runpy, sys; sys.path[:] = {sys.path!r}; runpy.run_path({PROGRAM!r}, run_name='__main__')"
    process = None
    with contextlib.suppress(OSError, TypeError, ValueError):  # there is no known interpreter, or no process
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(path.absolute())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    if process is None or process.stdout is None:
        yield from stored.parts(path)
        return
    timer = threading.Timer(_PATIENCE + path.stat().st_size / 1e6, process.kill)
    timer.start()
    try:
        yield from _received(process.stdout)
    except _NeverBegunError:
        if process.wait() <= 0:
            raise
        yield from stored.parts(path)  # the interpreter cannot read the file
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


class _NeverBegunError(ValueError):
    """The process has said nothing."""


def _received(answer: IO[bytes]) -> Iterator[tuple[str, Any]]:
    refused: type[ValueError] = _NeverBegunError
    while line := answer.readline(_LINE):
        name, given = json.loads(line)
        if name == "end":
            return
        if name == "error":
            raise ValueError(given)
        yield name, given if isinstance(given, str) else _numbers(answer, given)
        refused = ValueError
    raise refused(_NO_END)


def _numbers(answer: IO[bytes], shape: list[int]) -> np.ndarray:
    found = np.empty(shape)
    rest = found.reshape(-1).data.cast("B") if found.size else memoryview(b"")
    while rest:
        count = answer.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise ValueError(_NO_END)
        rest = rest[count:]
    return found
