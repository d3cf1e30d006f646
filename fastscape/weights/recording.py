"""The folder of a recording: the weights of a training at several of its steps.

`index.jsonl` has one line for each record, and a safetensors file beside it holds the weights:

    {"format": "fastscape-recording", "version": 1}
    {"step": 12, "file": "step-000000000012.safetensors", "bytes": 4120, "measures": {"loss": 0.3}}

A last line without its end, or that is no JSON, is no record: its writer was killed. A row whose step is not above
those of earlier rows takes the place of all earlier rows from its step on: the training went back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["FORMAT", "INDEX", "VERSION", "Row", "rows_of"]

INDEX, FORMAT, VERSION = "index.jsonl", "fastscape-recording", 1


@dataclass(frozen=True)
class Row:
    """One record.

    Args:
        step: Of the training.
        file: The name of the file of its weights, in the folder.
        bytes: How large that is.
        measures: What was recorded beside the weights, by name. Default: nothing.
    """

    step: int
    file: str
    bytes: int
    measures: Mapping[str, float] = field(default_factory=dict)


def rows_of(folder: Path) -> list[Row]:
    """The records of a recording, by rising step.

    Args:
        folder: Of the recording.

    Returns:
        The rows of its index, without those that others have taken the place of.

    Raises:
        ValueError: When it is no recording, or one of a newer version.
    """
    index = Path(folder) / INDEX
    if not index.is_file():
        raise ValueError(f"{folder} is no recording: it has no {INDEX}")
    lines = index.read_bytes().split(b"\n")[:-1]  # what has no end is no line
    head = _parsed(lines[0]) if lines else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"{folder} is no recording: its {INDEX} does not begin with the format {FORMAT!r}")
    if head.get("version") != VERSION:
        raise ValueError(f"{folder} has version {head.get('version')!r:.40}; wanted {VERSION}: update fastscape")
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], 2):
        found = _parsed(line)
        if found is None and number == len(lines):
            break
        try:
            row = Row(int(found["step"]), str(found["file"]), int(found["bytes"]), dict(found["measures"]))
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"line {number} of {index} is damaged: {line[:80]!r}") from None
        rows = [earlier for earlier in rows if earlier.step < row.step] + [row]
    return rows


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
