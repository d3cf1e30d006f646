"""The folder of a recorded training: an index with a row per checkpoint, and a file of tensors per row.

`index.jsonl` has the format and its version in the first line, and one more line per record:

    {"format": "fastscape-recording", "version": 1}
    {"step": 12, "file": "step-000000000012.safetensors", "bytes": 44000512, "measures": {"loss": 0.3}}

A line is written in one go, after its file is complete. A writer that is killed therefore leaves at most half a line
at the end, which does not count as a record. If a training resumes from an earlier checkpoint, a row may have a step
that is not above the steps before it. This row replaces all rows from its step on. A file name is never used for
different weights.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from fastscape.weights.tensor_files import TensorFile

__all__ = ["FORMAT", "INDEX", "VERSION", "Recording", "Row", "rows_of"]

INDEX = "index.jsonl"
FORMAT = "fastscape-recording"
VERSION = 1


@dataclass(frozen=True)
class Row:
    """A record in the index.

    Args:
        step: Step of the training, 0 or more.
        file: Name of its file in the folder.
        bytes: Number of bytes of this file.
        measures: The recorded values other than weights, by name. Default: none.
    """

    step: int
    file: str
    bytes: int
    measures: Mapping[str, float] = field(default_factory=dict)


def rows_of(folder: str | os.PathLike[str]) -> list[Row]:
    """The valid records of a folder, in the order of their steps.

    Args:
        folder: The folder of a recording.

    Returns:
        The rows that no later row replaces; no file of tensors is read.

    Raises:
        ValueError: When the folder is no recording, or has a different version, or a line in it is no record.
    """
    index = Path(folder) / INDEX
    try:
        whole, newline, _ = index.read_bytes().rpartition(b"\n")  # the text after the last newline is no record
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(
            f"{_short(folder)} is no recording: it has no {INDEX}; give the folder that a Recorder writes, or a list "
            "of checkpoints"
        ) from None
    lines = whole.split(b"\n") if newline else []
    head = _parsed(lines[0]) if lines else None
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ValueError(f"{_short(folder)} is no recording: its {INDEX} does not begin with the format {FORMAT!r}")
    if head.get("version") != VERSION:
        raise ValueError(
            f"{_short(folder)} must have version {VERSION}, got {head.get('version')!r:.40}: update fastscape"
        )
    rows: list[Row] = []
    for number, line in enumerate(lines[1:], start=2):
        row = _row(_parsed(line))
        if row is None and number == len(lines):
            break
        if row is None:
            raise ValueError(f"line {number} of {_short(index)} is damaged: {line[:80]!r}")
        while rows and rows[-1].step >= row.step:
            rows.pop()
        rows.append(row)
    return rows


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _row(found: Any) -> Row | None:
    """The row in a line; None if the line holds none."""
    if not isinstance(found, dict):
        return None
    step, file, size, measures = (found.get(name) for name in ("step", "file", "bytes", "measures"))
    named = isinstance(file, str) and file.strip(".") and file == Path(file).name and "\\" not in file
    if not (isinstance(step, int) and isinstance(size, int) and named and isinstance(measures, dict | None)):
        return None
    if not all(0 <= number < 1 << 63 and not isinstance(number, bool) for number in (step, size)):
        return None
    known = {name: value for name, value in (measures or {}).items() if value is not None}
    if not all(isinstance(value, int | float) for value in known.values()):
        return None
    return Row(step, str(file), size, {name: float(value) for name, value in known.items()})


class Recording:
    r"""The recorded training of a folder, as it is now: records that the training writes later are not seen.

    Args:
        folder: The folder that a Recorder writes.

    Raises:
        ValueError: When the folder is no recording, or has no record yet.

    Example:
        >>> import json, tempfile, pathlib, torch
        >>> from safetensors.torch import save_file
        >>> from fastscape.weights import FORMAT, INDEX, VERSION, Recording
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> save_file({"weight": torch.ones(2, 3)}, folder / "a.safetensors")
        >>> row = {"step": 7, "file": "a.safetensors", "bytes": (folder / "a.safetensors").stat().st_size,
        ...        "measures": {"loss": 0.5}}
        >>> lines = [{"format": FORMAT, "version": VERSION}, row]
        >>> _ = (folder / INDEX).write_text("".join(json.dumps(line) + "\n" for line in lines))
        >>> recording = Recording(folder)
        >>> len(recording), recording.steps.tolist(), recording.measures["loss"].tolist()
        (1, [7], [0.5])
        >>> recording.tensors(0)["weight"].shape
        torch.Size([2, 3])
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.rows = tuple(rows_of(folder))
        if not self.rows:
            raise ValueError(f"the recording {_short(folder)} must have at least one record, got none")

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        first, last = self.rows[0].step, self.rows[-1].step
        return f"Recording({_short(self.folder)}, {len(self)} records, steps {first} to {last})"

    @property
    def steps(self) -> np.ndarray:
        """The steps of the training [n], int64."""
        return np.array([row.step for row in self.rows], dtype=np.int64)

    @property
    def measures(self) -> dict[str, np.ndarray]:
        """The recorded values other than weights, an array [n] by name; NaN if a record lacks the value."""
        names = dict.fromkeys(name for row in self.rows for name in row.measures)
        return {name: np.array([row.measures.get(name, math.nan) for row in self.rows]) for name in names}

    def file(self, k: int) -> TensorFile:
        """The file of record k, from which slices can be read.

        Args:
            k: Number of the record.

        Returns:
            The file.

        Raises:
            ValueError: When it is missing, or differs from the file that was written.
        """
        row = self.rows[k]
        path = self.folder / row.file
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            raise ValueError(
                f"the recording {_short(self.folder)} has no file {row.file:.80}, that of step {row.step}"
            ) from None
        if size != row.bytes:
            raise ValueError(
                f"{_short(path)}, step {row.step} of a recording, has {size} bytes; its index says {row.bytes}"
            )
        return TensorFile(path)

    def tensors(self, k: int) -> dict[str, Tensor]:
        """All tensors of record k, by the names of the model.

        Args:
            k: Number of the record.

        Returns:
            The tensors, including complex tensors.

        Raises:
            ValueError: When the file of the record is missing or damaged.
        """
        return self.file(k).tensors()


def _short(path: str | os.PathLike[str]) -> str:
    """A path as a message says it."""
    return repr(str(path)) if len(str(path)) <= 200 else repr(f"...{str(path)[-197:]}")
