"""Says which file was wanted, and where one comes from, if a file to read is missing or is a folder."""

from __future__ import annotations

from pathlib import Path

from fastscape.results.checks import clipped

__all__ = ["check_file"]


def check_file(path: Path, wanted: str) -> None:
    """Refuses a file that is missing, and a folder.

    Args:
        path: The file to read.
        wanted: What the file must be, which begins the error: "a plan must be a file that Plan.save wrote".

    Raises:
        FileNotFoundError: When there is no such file.
        IsADirectoryError: When it is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{wanted}, got {clipped(path)}, which is a folder")
    if not path.exists():
        raise FileNotFoundError(f"{wanted}, got {clipped(path)}, which does not exist")
