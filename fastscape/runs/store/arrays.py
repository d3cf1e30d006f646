"""Makes the arrays of a store with checksums, and reads them so a missing file is an error, never a value."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.runs.store.errors import Refused, file_read, zarr_package
from fastscape.runs.store.header import digest_of

__all__ = [
    "array_made",
    "array_of",
    "array_written",
    "described",
    "description_of",
    "ill_described",
    "opened",
    "parts_of",
    "whole_array",
]

CHUNK_ENTRIES = 1 << 22  # largest number of entries per file


def opened(path: Path, *, writes: bool = False) -> Any:
    """The arrays of a store.

    Args:
        path: The store.
        writes: Whether they may be written to. Default False.

    Returns:
        The group of zarr, whose arrays also write chunks of fill values, so a missing file is an error.
    """
    zarr = zarr_package()
    with zarr.config.set({"array.write_empty_chunks": True}):
        return zarr.open_group(str(path), mode="r+" if writes else "r", zarr_format=3)


def array_of(group: Any, name: str) -> Any:
    """An array of a store.

    Args:
        group: The result of `opened`.
        name: The name of the array.

    Returns:
        The array of zarr.
    """
    with zarr_package().config.set({"array.write_empty_chunks": True}):  # an array asks for it when it is opened
        return group[name]


def array_made(
    path: Path, name: str, shape: tuple[int, ...], chunks: tuple[int, ...], *, overwrite: bool = True, **options: Any
) -> None:
    """Makes an array without values, and replaces an array of this name.

    Args:
        path: The store.
        name: The name of the array.
        shape: The shape of the array.
        chunks: The shape of one file.
        overwrite: Whether existing values are deleted. Default True.
        options: The options of zarr: dtype, fill value, and names of the dimensions.
    """
    zarr = zarr_package()
    zarr.create_array(
        store=str(path), name=name, shape=shape, chunks=chunks, overwrite=overwrite,
        compressors=[zarr.codecs.Crc32cCodec()], **options,
    )  # fmt: skip


def array_written(path: Path, name: str, values: np.ndarray, dimensions: tuple[str, ...]) -> str:
    """Writes an array with its values, and replaces an array of this name.

    Args:
        path: The store.
        name: The name of the array.
        values: An array of any shape.
        dimensions: Their names.

    Returns:
        Its digest.
    """
    fill = np.nan if values.dtype.kind == "f" else 0
    options: dict[str, Any] = {"dtype": values.dtype, "fill_value": fill, "dimension_names": dimensions}
    array_made(path, name, values.shape, _chunks_of(values.shape), **options)
    if values.size:
        array_of(opened(path, writes=True), name)[...] = values
    return digest_of(values)


def _chunks_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one file of an array: as many rows as belong together, or all of a small array.

    Args:
        shape: The shape of the array: [n], [rows, n], or with further dimensions before these.

    Returns:
        The shape, at most 4 million entries.
    """
    chunks: list[int] = []
    left = CHUNK_ENTRIES
    for length in reversed(shape):
        chunks.insert(0, max(min(length, left), 1))
        left //= chunks[0]
    return tuple(chunks)


def whole_array(
    path: Path, group: Any, name: str, *, cure: str, digest: str | None = None, strict: bool = True
) -> np.ndarray:
    """Reads an array, all files of which must exist.

    Args:
        path: The store.
        group: Its arrays.
        name: The name of the array.
        cure: Advice for a damaged array.
        digest: The expected digest of its values. Default: not checked.
        strict: Whether a missing file is an error. Version 0.1 wrote no file for chunks of fill values.

    Returns:
        The values.

    Raises:
        ValueError: When a file is missing or damaged, or when the values differ from the values that were written.
    """  # noqa: DOC501 - a refusal is a ValueError
    array = described(path, group, name, cure)
    if strict:  # before memory is taken for missing data
        _check_files(path, name, array, cure)
    found = np.empty(array.shape, dtype=array.dtype)
    for part, values in parts_of(path, group, name, cure=cure, strict=strict):
        found[part] = values
    if digest is not None and digest_of(found) != digest:
        raise Refused(f"{path / name} is damaged (its values are not those that were written); {cure}")
    return found


def parts_of(
    path: Path, group: Any, name: str, *, cure: str, strict: bool = True
) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """Reads an array file by file. See `whole_array`.

    Args:
        path: The store.
        group: Its arrays.
        name: The name of the array.
        cure: Advice for a damaged array.
        strict: Whether a missing file is an error.

    Yields:
        A part of the array, and its values.

    Raises:
        ValueError: When a file is missing or damaged.
    """
    array = described(path, group, name, cure)
    if strict:
        _check_files(path, name, array, cure)
    for file, part in _files_of(path, name, array):
        with file_read(file, cure):
            values = array[part]
        yield part, values


def described(path: Path, group: Any, name: str, cure: str) -> Any:
    """Opens an array, whose zarr.json has its dtype and its shape.

    Args:
        path: The store.
        group: Its arrays.
        name: The name of the array.
        cure: Advice for a damaged zarr.json.

    Returns:
        The array of zarr.

    Raises:
        ValueError: When it is damaged.
    """
    with file_read(path / name / "zarr.json", cure):
        return array_of(group, name)


def description_of(path: Path, name: str) -> str | None:
    """The digest of the description of an array, its zarr.json.

    Args:
        path: The store.
        name: The name of the array.

    Returns:
        The digest; None if the file is missing.
    """
    try:
        return hashlib.sha256((path / name / "zarr.json").read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def ill_described(path: Path, header: Mapping[str, Any]) -> list[str]:
    """The arrays whose description is missing, or differs from what was written.

    Args:
        path: The store.
        header: Its header; version 0.1 wrote no digests.

    Returns:
        Their names.
    """
    return [name for name, digest in header.get("described", {}).items() if description_of(path, name) != digest]


def _check_files(path: Path, name: str, array: Any, cure: str) -> None:
    for file, _ in _files_of(path, name, array):
        if not file.exists():
            raise Refused(f"{file} is missing; {cure}")


def _files_of(path: Path, name: str, array: Any) -> Iterator[tuple[Path, tuple[slice, ...]]]:
    """The files of an array, which may be missing, with the part of the array in each."""
    shape, chunks = array.shape, array.chunks
    for place in itertools.product(*(range(-(-n // width)) for n, width in zip(shape, chunks, strict=True))):
        part = (slice(k * width, min((k + 1) * width, n)) for k, width, n in zip(place, chunks, shape, strict=True))
        yield (path / name / "c").joinpath(*map(str, place)), tuple(part)
