"""The header of a store: the one file that says what the others mean, always written whole.

Whatever belongs together changes in one rename. `zarr.json` is also what zarr and xarray open, so the entries are the
attributes of the group. Every entry has a digest, beside which nothing else tells a damaged number from another one.
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
    """The header of a store.

    Args:
        path: The store.

    Returns:
        The entries by name. There are none where a run was ended before it had written any, and no "settings" where
        one was ended before the arrays were made.

    Raises:
        OSError: When it cannot be read.
        ValueError: When it is damaged, of another version, or of something else.
    """
    return header_in(path, header_bytes(path))


def header_bytes(path: Path) -> bytes:
    """The file of a header, as it is now.

    Args:
        path: The store.

    Returns:
        Its content; empty where there is none.
    """
    try:
        return (path / HEADER).read_bytes()
    except FileNotFoundError:
        return b""


def header_in(path: Path, content: bytes) -> dict[str, Any]:
    """What the file of a header says. See `header_of`.

    Args:
        path: The store.
        content: Of the file.

    Returns:
        The entries by name.

    Raises:
        ValueError: When it is damaged, of another version, or of something else.
    """
    with reading(path):
        if content:
            attributes = dict(json.loads(content)["attributes"])
        elif path.is_dir() and all(is_leftover(entry.name) for entry in path.iterdir()):
            return {}
        else:
            attributes = {}
        if not attributes and _empty(path):  # as version 0.1 began one
            return {}
        return _checked(path, attributes)


def _empty(path: Path) -> bool:
    return (path / HEADER).exists() and all(e.name == HEADER or is_leftover(e.name) for e in path.iterdir())


def _checked(path: Path, attributes: dict[str, Any]) -> dict[str, Any]:
    """The entries, once they are those of a store of this version, and what was written."""
    if attributes.get("format") != FORMAT:
        raise no_store(path)
    if not attributes.keys() - {"format"}:  # as version 0.1 began one
        return {}
    if attributes.get("version") != VERSION:
        raise Refused(
            f"{path} has version {str(attributes.get('version'))[:40]} of the format; this fastscape reads version "
            f"{VERSION}: give another store, or use the fastscape that wrote it"
        )
    checks = attributes.pop("checks", {})  # version 0.1 wrote none
    if "report" not in attributes:  # without it the run is not finished, and the sums say all
        checks.pop("report", None)
    damaged = [name for name, digest in checks.items() if _digest(attributes.get(name)) != digest]
    if damaged:
        raise Refused(
            f"{path / HEADER} is damaged: its entry {damaged[0]!r} is not what was written; what the other files hold "
            "is not lost, but give another store"
        )
    return attributes


def write_header(path: Path, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Writes a header in one rename: whoever reads finds all that was before, or all of this.

    Args:
        path: The store.
        entries: All entries by name.

    Returns:
        The entries as they will be read again, after a way through JSON.
    """
    plain: dict[str, Any] = json.loads(json.dumps(dict(entries)))
    checks = {name: _digest(value) for name, value in plain.items()}
    group = {"attributes": {**plain, "checks": checks}, "zarr_format": 3, "node_type": "group"}
    write_whole(path / HEADER, json.dumps(group, indent=2).encode())
    return plain


def parts_in(header: Mapping[str, Any]) -> tuple[int, int]:
    """Over how many parts of the data the sums of a header are.

    Version 0.1 wrote the entries one after the other, the digests last: where one is missing, those before count.

    Args:
        header: The entries.

    Returns:
        The number of parts, and how many samples they have.
    """
    parts, digests = int(header.get("parts", 0)), len(header.get("digests", []))
    if digests < parts:
        return digests, digests * int(header["settings"]["samples"])
    return parts, int(header.get("part_samples", 0))


def digest_of(array: np.ndarray) -> str:
    """What tells an array from every other one.

    Args:
        array: Of any shape.

    Returns:
        A digest of its kind, its shape and its bits.
    """
    said = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    said.update(np.ascontiguousarray(array).data)
    return said.hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
