"""The header of a store: the file that describes all other files, always written whole.

Entries that belong together change in one rename. zarr and xarray open the same `zarr.json`, so the entries are the
attributes of the group. Every entry has a digest, the only way to recognise a damaged number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastscape.results import write_whole
from fastscape.runs.store.errors import Refused, no_store, reading
from fastscape.runs.store.folder import HEADER, is_leftover

__all__ = ["FORMAT", "VERSION", "digest_of", "header_bytes", "header_in", "header_of", "parts_in", "write_header"]

FORMAT, VERSION = "fastscape-store", 1


def header_of(path: Path) -> dict[str, Any]:
    """Reads the header of a store.

    Args:
        path: The store.

    Returns:
        The entries by name. There are none if a run ended before it wrote any, and no "settings" if a run ended
        before the arrays were made.

    Raises:
        OSError: When the header cannot be read.
        ValueError: When the header is damaged, has a different version, or belongs to something else.
    """
    return header_in(path, header_bytes(path))


def header_bytes(path: Path) -> bytes:
    """The current file of a header.

    Args:
        path: The store.

    Returns:
        Its content; empty if there is no file.
    """
    try:
        return (path / HEADER).read_bytes()
    except FileNotFoundError:
        return b""


def header_in(path: Path, content: bytes) -> dict[str, Any]:
    """Parses the file of a header. See `header_of`.

    Args:
        path: The store.
        content: The content of the file.

    Returns:
        The entries by name.

    Raises:
        ValueError: When the header is damaged, has a different version, or belongs to something else.
    """
    with reading(path):
        if content:
            attributes = dict(json.loads(content)["attributes"])
        elif path.is_dir() and all(is_leftover(entry.name) for entry in path.iterdir()):
            return {}
        else:
            attributes = {}
        if not attributes and _empty(path):  # version 0.1 created stores this way
            return {}
        return _checked(path, attributes)


def _empty(path: Path) -> bool:
    return (path / HEADER).exists() and all(e.name == HEADER or is_leftover(e.name) for e in path.iterdir())


def _checked(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    """The entries, after checking the version and the digests."""
    if attributes.get("format") != FORMAT:
        raise no_store(path)
    if not attributes.keys() - {"format"}:  # version 0.1 created stores this way
        return {}
    if attributes.get("version") != VERSION:
        raise Refused(
            f"{path} has version {str(attributes.get('version'))[:40]} of the format; this fastscape reads version "
            f"{VERSION}: give another store, or use the fastscape that wrote it"
        )
    checks = attributes.pop("checks", {})  # version 0.1 wrote none
    if "report" not in attributes:  # without this entry the run is not finished, and the sums have all values
        checks.pop("report", None)
    damaged = [name for name, digest in checks.items() if _digest(attributes.get(name)) != digest]
    if damaged:
        raise Refused(
            f"{path / HEADER} is damaged: its entry {damaged[0]!r} is not what was written; what the other files hold "
            "is not lost, but give another store"
        )
    return attributes


def write_header(path: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a header in one rename, so readers find either the previous or the new header.

    Args:
        path: The store.
        entries: All entries by name.

    Returns:
        The entries as they will be read again, after a round trip through JSON.
    """
    plain: dict[str, Any] = json.loads(json.dumps(dict(entries)))
    checks = {name: _digest(value) for name, value in plain.items()}
    group = {"attributes": {**plain, "checks": checks}, "zarr_format": 3, "node_type": "group"}
    write_whole(path / HEADER, json.dumps(group, indent=2).encode())
    return plain


def parts_in(header: Mapping[str, Any]) -> tuple[int, int]:
    """The number of parts of the data in the sums of a header.

    Version 0.1 wrote the entries one after the other, the digests last: if a digest is missing, the earlier entries
    count.

    Args:
        header: The entries.

    Returns:
        The number of parts, and of their samples.
    """
    parts, digests = int(header.get("parts", 0)), len(header.get("digests", []))
    if digests < parts:
        return digests, digests * int(header["settings"]["samples"])
    return parts, int(header.get("part_samples", 0))


def digest_of(array: np.ndarray) -> str:
    """The digest of an array.

    Args:
        array: An array of any shape.

    Returns:
        A digest of its dtype, its shape and its bits.
    """
    said = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    said.update(np.ascontiguousarray(array).data)
    return said.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
