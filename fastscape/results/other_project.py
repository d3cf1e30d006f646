"""Detects files of a different project, the landscape evolution model fastscape, in the folder of this package."""

from __future__ import annotations

from pathlib import Path

__all__ = ["mixed_in"]


def mixed_in(folder: Path) -> str | None:
    """A message if the other project named fastscape has written over our package, or has deleted its files.

    The other project is named `fastscape` on the package index and imports under that name, as ours does. The project
    that was installed last has written over `__init__.py`; the project that is uninstalled first deletes it.

    Args:
        folder: The folder of our package.

    Returns:
        A sentence, or None if the package has exactly its own files.
    """
    if not (folder / "__init__.py").exists():
        return (
            f"{folder} has no __init__.py, as after pip uninstall of another project named fastscape, a landscape "
            "evolution model: write pip install --force-reinstall --no-deps torch-fastscape"
        )
    if not (folder / "processes" / "erosion.py").exists():
        return None
    return (
        f"{folder} also holds the files of another project named fastscape, a landscape evolution model; the two "
        "overwrite each other: write pip uninstall fastscape torch-fastscape, and install each in an environment of "
        "its own"
    )
