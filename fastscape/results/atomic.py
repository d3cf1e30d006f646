"""Writing files so that nothing is ever half written."""

from __future__ import annotations

import uuid
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file under a temporary name and renames it, so that a failure leaves an older file as it was.

    Args:
        path: The file. Missing folders are created.
        content: All of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
