"""The landscape evolution model that is also called fastscape, whose files may lie among ours."""

from __future__ import annotations

from pathlib import Path

__all__ = ["mixed_in"]


def mixed_in(folder: Path) -> str | None:
    """What is said when the files of the other project lie in our package.

    The other project is named `fastscape` on the package index and imports under that name, as ours does. Whichever
    was installed last has written over files of the other one.

    Args:
        folder: Of our package.

    Returns:
        A sentence, or None where there are no such files.
    """
    if not (folder / "processes" / "erosion.py").exists():
        return None
    return (
        f"{folder} also holds the files of another project named fastscape, a landscape evolution model; the two "
        "overwrite each other: write pip uninstall fastscape torch-fastscape, and install each in an environment of "
        "its own"
    )
