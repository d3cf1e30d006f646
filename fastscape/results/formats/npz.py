"""Reads and writes the library's own format: one .npz file without pickle, which holds every value bit for bit.

header              JSON: format, version, names of the axes, measures and parts of the file, report
x, y, ...           coordinates of each axis
values              every measure [measures, H, W, ...], the loss first
standard_error      of the loss, if it is known
evaluated           which points were computed, if some were predicted
repeats             measures along each of several random directions [measures, R, H, W, ...], if there are any

Files are written without compression; files that were compressed by hand are read too. Every part has a checksum.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastscape.results.axes import AXES
from fastscape.results.checks import check_values, clipped, parsed, report_in
from fastscape.results.formats.columns import by_name
from fastscape.results.missing_files import check_file
from fastscape.results.values import Values

__all__ = ["check_path", "read", "read_parts", "written"]

FORMAT, VERSION = "fastscape-landscape", 1

T = TypeVar("T")

_TIGHTEST = 1032  # the largest factor of compression by deflate
_OF_NO_SHAPE = 64  # the largest factor of compression of a header or an axis
_SMALL = 1 << 20  # bytes that may be read without a check


def check_path(path: str | os.PathLike[str]) -> Path:
    """Refuses a name that a landscape cannot be saved under.

    Args:
        path: A file name that ends in .npz.

    Returns:
        The path.

    Raises:
        ValueError: When the name has a different ending.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"the name of a landscape's file must end in .npz, got {path.name!r}")
    return path


def written(values: Values, _: str) -> bytes:
    """The content of a file."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {**values.axes, "values": np.stack(list(values.measures.values()))}
    if values.standard_error is not None:
        arrays["standard_error"] = values.standard_error
    if not values.evaluated.all():
        arrays["evaluated"] = values.evaluated
    if values.repeats:
        arrays["repeats"] = np.stack(list(values.repeats.values()))
    header = {
        "format": FORMAT,
        "version": VERSION,
        "axes": list(values.axes),
        "measures": list(values.measures),
        "parts": ["header", *arrays],  # a damaged directory of the archive may lack one
        "repeats": {"measures": list(values.repeats), "count": values.repeated},
        "report": dict(values.report),
    }
    np.savez(content, header=np.array(json.dumps(header)), **arrays)
    return content.getvalue()


def read(path: Path) -> Values:
    """Reads a file that `written` made. Declared sizes are compared with the content before memory is taken.

    Args:
        path: The file.

    Returns:
        The values, bit for bit.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file is damaged, or is no landscape.
    """
    return read_parts(path, _values, "landscape", "Landscape.save")


def read_parts(path: Path, made: Callable[[Parts], T], what: str, writer: str) -> T:
    """Reads an archive of arrays, and makes an object of them.

    Args:
        path: The file.
        made: Makes the object from the parts of the archive, or raises any exception if they do not fit.
        what: The expected content, as errors name it.
        writer: The method that writes such files, as errors name it.

    Returns:
        The object.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file is damaged, or has a different content.
    """
    check_file(path, f"a {what} must be a .npz file that {writer} wrote")
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file if file.seekable() else io.BytesIO(file.read())) as archive:
                return made(Parts(archive))
        except Exception as error:  # a damaged file can make the zip and number readers raise anything
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise
            raise ValueError(
                f"{path} is no {what} that this version can read ({clipped(error)}); give a .npz file that "
                f"{writer} wrote"
            ) from error


def _values(parts: Parts) -> Values:
    header = parsed(str(parts.array("header", "U", ())))
    if header["format"] != FORMAT or header["version"] != VERSION:
        reader = ", which Topology.load reads" if header["format"] == "fastscape-topology" else ""
        raise ValueError(f"its header says {header['format']!r}, version {header['version']!r}{reader}")
    # A header without names is from before axes had other names.
    names = header.get("axes", [name for name in AXES if name in parts.sizes])
    if unknown := parts.sizes.keys() - {"header", *names, "values", "standard_error", "evaluated", "repeats"}:
        raise ValueError(f"it holds {min(unknown)!r}, which no landscape has")
    if lost := set(header.get("parts", parts.sizes)) ^ parts.sizes.keys():
        raise ValueError(f"its parts are not those that were written: {', '.join(sorted(lost))}")
    axes = by_name((name, parts.array(name)) for name in names)
    shape = tuple(map(len, axes.values()))
    measures = header["measures"]
    grids = by_name(zip(measures, parts.array("values", "biuf", (len(measures), *shape)), strict=True))
    grids = dict(sorted(grids.items(), key=lambda item: item[0] != "loss"))
    error = parts.array("standard_error", "biuf", shape) if "standard_error" in parts.sizes else None
    evaluated = parts.array("evaluated", "b", shape) if "evaluated" in parts.sizes else None
    values = Values.keeping(axes, grids, report_in(header["report"]), error, evaluated, _repeats(parts, header, shape))
    check_values(values)
    return values


def _repeats(parts: Parts, header: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The measures along each of several directions; older files have none."""
    if "repeats" not in parts.sizes:
        return {}
    names, count = header["repeats"]["measures"], header["repeats"]["count"]
    if type(count) is not int:
        raise ValueError(f"its header says {count!r} repeats")
    return by_name(zip(names, parts.array("repeats", "biuf", (len(names), count, *shape)), strict=True))


class Parts:
    """The arrays of an archive; each is read only if its declared size fits its content.

    Args:
        archive: The archive.

    Raises:
        ValueError: When its directory does not fit its content.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.sizes = by_name((info.filename.removesuffix(".npy"), info) for info in archive.infolist())
        for name, info in self.sizes.items():
            packed = info.compress_type == zipfile.ZIP_DEFLATED
            if not packed and info.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is compressed as no .npz file is")
            if info.comment:  # a damaged directory hides the next entries in it
                raise ValueError(f"{name} has a comment, as no .npz file has")
            if info.file_size > (_TIGHTEST * info.compress_size if packed else info.compress_size):
                raise ValueError(f"{name} declares {info.file_size} bytes, and {info.compress_size} are there")

    def array(self, name: str, kinds: str = "biuf", shape: Sequence[int] | None = None) -> np.ndarray:
        """An array.

        Args:
            name: The name of the array.
            kinds: Letters of the allowed kinds of entries. Default: numbers.
            shape: The required shape. Default: any length of one dimension, unless it is compressed too much.

        Returns:
            The array.

        Raises:
            ValueError: When the array has a different kind or shape, or is not whole.
        """
        info = self.sizes[name]
        if shape is None or kinds == "U":  # no axes say how large the array must be
            most = max(_OF_NO_SHAPE * info.compress_size, _SMALL)
            if info.file_size > most:
                raise ValueError(f"{name} declares {info.file_size} bytes, packed into {info.compress_size}")
        with self._archive.open(info) as member:
            if np.lib.format.read_magic(member) != (1, 0):
                raise ValueError(f"{name} has a header of another version")
            found, _, dtype = np.lib.format.read_array_header_1_0(member)
            if dtype.kind not in kinds or (len(found) != 1 if shape is None else found != tuple(shape)):
                wanted = "be a line" if shape is None else f"have shape {tuple(shape)}"
                raise ValueError(f"{name} must {wanted}, got shape {found} and entries of kind {dtype}")
            if min(found, default=0) < 0 or member.tell() + math.prod(found) * dtype.itemsize != info.file_size:
                raise ValueError(
                    f"{name} declares the shape {found}, which is not what its {info.file_size} bytes hold"
                )
            member.seek(0)
            array = np.lib.format.read_array(member, allow_pickle=False)
            member.read()  # to the end, where the checksum is compared
        if array.dtype.kind == "b" and (array.view(np.uint8) > 1).any():  # numpy accepts such entries
            raise ValueError(f"{name} has entries that are neither true nor false")
        return array
