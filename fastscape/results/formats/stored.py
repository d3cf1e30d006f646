"""Reads the numbers of an HDF5 file after a check that they are there, as a kilobyte can declare a terabyte.

This file is also the program of a separate process, so it imports nothing from this library: see `formats.apart`.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["AXES", "EXPLAINED", "LOSS", "parts"]

AXES, LOSS = ("xcoordinates", "ycoordinates"), "train_loss"
EXPLAINED = "explained_variance_ratio_"  # of principal components as axes; it is no measure at points

_OF_NO_SHAPE = 64  # the largest factor of compression of an axis
_SMALL = 1 << 20  # bytes that may be read without a check
_SECONDS = 3  # of the processor for any file, besides the time for its numbers
_A_SECOND = 10_000_000  # bytes of numbers per second


def parts(path: Path) -> Iterator[tuple[str, Any]]:
    """The parts of a file, one after the other.

    Args:
        path: The file.

    Yields:
        "report" and its text if the file has a report; then names and numbers: of the axes [n], then of `train_loss`
        and of every data set with one number per grid point.

    Raises:
        ValueError: When the file has no such numbers, or fewer than it declares.
    """
    import h5py

    with path.open("rb") as whole, h5py.File(whole if whole.seekable() else io.BytesIO(whole.read()), "r") as file:
        if "report" in file.attrs:
            if file.attrs.get_id("report").shape != ():
                raise ValueError("its report is no text")
            yield "report", file.attrs["report"]
        own = {name: file[name] for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)}
        sets = {name: data for name, data in own.items() if isinstance(data, h5py.Dataset) and _of_numbers(data)}
        if not {AXES[0], LOSS} <= sets.keys():
            raise ValueError(f"it has no {AXES[0]} or no {LOSS}")
        axes = {name: sets.pop(name) for name in AXES if name in sets}
        lengths = [_length(name, axis) for name, axis in axes.items()]
        points = math.prod(lengths)
        if sets[LOSS].size != points:
            raise ValueError(f"{LOSS} has {sets[LOSS].size} values for {' x '.join(map(str, lengths))} points")
        sets.pop(EXPLAINED, None)
        found = {**axes, **{name: data for name, data in sets.items() if data.ndim and data.size == points}}
        sizes = [8 * data.size for data in found.values()]
        _allow(sum(sizes), max(sizes))
        for name, data in found.items():
            yield name, _numbers(name, data)


def _of_numbers(data: Any) -> bool:
    try:
        return data.dtype.kind in "biuf"
    except TypeError:  # numpy does not have this kind
        return False


def _length(name: str, axis: Any) -> int:
    """The length of an axis, which nothing else in the file determines."""
    stored = axis.id.get_storage_size()
    if axis.ndim != 1 or axis.nbytes > max(_OF_NO_SHAPE * stored, _SMALL):
        raise ValueError(f"{name} has the shape {axis.shape}, of which {stored} bytes are stored")
    return int(axis.size)


def _numbers(name: str, data: Any) -> np.ndarray:
    """The numbers of a data set, if every part was written, and into this file."""
    if data.is_virtual or data.external:
        raise ValueError(f"{name} is stored in a different file")
    there, wanted, what = data.id.get_storage_size(), data.nbytes, "bytes"
    if data.chunks is not None:
        whole = math.prod(data.chunks) * data.dtype.itemsize
        if whole > 4 * data.nbytes + _SMALL:
            raise ValueError(f"{name} has parts of {whole} bytes, and {data.nbytes} in all")
        wanted = math.prod(-(-n // chunk) for n, chunk in zip(data.shape, data.chunks, strict=True))
        there, what = data.id.get_num_chunks(), "parts"
    if there != wanted:  # parts that were never written would be read as zeros
        raise ValueError(f"{name} declares {wanted} {what}, of which {there} are there")
    return np.asarray(data[()], dtype=np.float64)


# ------------------------------------------------------------------------------- in a separate process

_held: list[int] = []  # bytes that a separate process may take besides the memory of the numbers


def _allow(numbers: int, largest: int) -> None:
    """Lets a separate process take the time and the memory that numbers need."""
    if _held:
        _limit(_SECONDS + numbers // _A_SECOND, _held[0] + 4 * largest)


def _limit(seconds: int, held: int) -> None:
    import resource

    seconds += math.ceil(time.process_time())
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    resource.setrlimit(resource.RLIMIT_AS, (held, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _send(name: str, given: Any) -> None:
    """Writes a line, followed by the numbers that it announces."""
    numbers = isinstance(given, np.ndarray)
    text = given.decode() if isinstance(given, bytes) else "" if numbers else str(given)
    sys.stdout.buffer.write(json.dumps([name, list(given.shape) if numbers else text]).encode() + b"\n")
    if numbers and given.size:
        sys.stdout.buffer.write(np.ascontiguousarray(given).data.cast("B"))


def _main(path: Path) -> None:
    """Sends the parts of a file; a damaged file can only end this process."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # some systems have no such limits
        import resource

        import h5py  # noqa: F401 - the memory of h5py itself does not count for the file

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        _held.append(pages * resource.getpagesize() + 4 * path.stat().st_size + (64 << 20))
        _limit(_SECONDS, _held[0])
    try:
        for name, given in parts(path):
            _send(name, given)
    except Exception as error:  # a damaged file can make HDF5 raise anything
        _send("error", f"{type(error).__name__}: {error}"[:1000])
    else:
        _send("end", "")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
