"""The files of a day: one JSON a stage, written anew after each of its entries. Nothing here needs torch."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "STAGES", "Records", "RefusedError", "commit", "source"]

STAGES = {
    "card": "The card",
    "kernels": "Kernels against float64",
    "bandwidth": "Bandwidth of the kernels",
    "products": "Linear layers at many points",
    "points": "A point under every plan",
    "surfaces": "Whole surfaces",
    "values": "Every way against the CPU",
    "memory": "Peak memory",
}
"""By name, what each measures. Files and tables are in this order."""

ROOT = Path(__file__).parents[2]
OWN = {"seed", "date"}  # of the first call that began a day
MEASURED = "fastscape", "kernels", "benchmarks"


class RefusedError(Exception):
    """A folder holds results of something else."""


class Records:
    """The results of a day.

    Args:
        folder: Where they lie. It is created when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def day(self) -> dict[str, Any]:
        """What was measured, and the seed; empty where nothing is known."""
        return _read(self.folder / "day.json")

    def begin(self, about: dict[str, Any]) -> dict[str, Any]:
        """Begins a day, or goes on with the one that the folder holds.

        Args:
            about: What is measured, which must be the same throughout, but for what is in `OWN`.

        Returns:
            The same as of the first call.

        Raises:
            RefusedError: When the folder holds results of something else.
        """
        before = self.day
        if not before:
            _write(self.folder / "day.json", about)
            return about
        for name in about.keys() - OWN:
            value = about[name]
            if before.get(name) != value:
                raise RefusedError(
                    f"{self.folder} holds results with {name} {before.get(name)!r}; this is {value!r}. Give another "
                    "folder"
                )
        return before

    def stage(self, name: str) -> dict[str, Any]:
        """What is known of a stage: its "entries", the "planned" ones with their estimates, and its "error" if any.

        A file that is torn, or belongs to another day than `day.json`, counts as none.
        """
        found = _read(self.folder / f"{name}.json")
        whole = isinstance(found.get("entries"), dict) and isinstance(found.get("planned"), dict)
        if not whole or found.get("of") != self._digest():
            return {"of": self._digest(), "planned": {}, "entries": {}}
        return found

    def plan(self, name: str, planned: dict[str, float]) -> None:
        """Notes which entries a stage has, and the seconds that each is expected to take."""
        found = self.stage(name)
        found.pop("error", None)
        _write(self.folder / f"{name}.json", {**found, "planned": planned})

    def fail(self, name: str, error: str) -> None:
        """Notes that a stage could not be begun."""
        _write(self.folder / f"{name}.json", {**self.stage(name), "error": error})

    def put(self, name: str, entry: str, result: dict[str, Any]) -> None:
        """Writes what came of an entry, at once."""
        found = self.stage(name)
        found["entries"][entry] = {**result, "at": time.strftime("%Y-%m-%dT%H:%M:%S")}
        _write(self.folder / f"{name}.json", found)

    def cut(self, name: str, entry: str, seconds: float) -> None:
        """Notes that an entry was ended because the time was over, and how many seconds were not enough for it."""
        found = self.stage(name)
        _write(self.folder / f"{name}.json", {**found, "cut": {**found.get("cut", {}), entry: seconds}})

    def forget(self, name: str, states: tuple[str, ...]) -> None:
        """Deletes the entries of a stage that ended in one of these states, so that they are done again."""
        found = self.stage(name)
        kept = {entry: result for entry, result in found["entries"].items() if result.get("state") not in states}
        if len(kept) < len(found["entries"]):
            _write(self.folder / f"{name}.json", {**found, "entries": kept})

    def left_out(self, name: str) -> list[str]:
        """The planned entries of a stage of which nothing came yet."""
        found = self.stage(name)
        return [entry for entry in found["planned"] if entry not in found["entries"]]

    @property
    def running(self) -> dict[str, Any]:
        """The entry that runs: its "stage", its "entry", and the time "until" which it may; empty where none does."""
        return _read(self.folder / "running.json")

    def run(self, stage: str, entry: str, until: float) -> None:
        """Notes that an entry runs."""
        _write(self.folder / "running.json", {"stage": stage, "entry": entry, "until": until, "since": time.time()})

    def rest(self) -> None:
        """Notes that no entry runs."""
        (self.folder / "running.json").unlink(missing_ok=True)

    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.day, sort_keys=True).encode()).hexdigest()[:16]


def source() -> str:
    """A number that tells one state of the code from another, where there may be no git."""
    digest = hashlib.sha256()
    for folder in MEASURED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def commit() -> str | None:
    """The commit that is checked out, where git knows it."""
    command = ["git", "describe", "--always", "--dirty"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    return None


def _read(path: Path) -> dict[str, Any]:
    """The object in a file; empty where the file is missing or torn."""
    with suppress(OSError, ValueError):
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}
    return {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Writes a file whole or not at all: as `fastscape.results.write_whole` does, but the watcher imports no torch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write((json.dumps(content, indent=1, default=str) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
