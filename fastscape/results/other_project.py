"""Detects files of the landscape evolution model that is also called fastscape among ours."""

from __future__ import annotations

from pathlib import Path

__all__ = ["mixed_in"]


def mixed_in(folder: Path) -> str | None:
    """What is said when the other project named fastscape has written over our package, or has taken files along.

    The other project is named `fastscape` on the package index and imports under that name, as ours does. The project
    that was installed last has written over `__init__.py`; the project that is uninstalled first deletes it.

    Args:
        folder: Of our package.

    Returns:
        A sentence, or None if the package has its own files and no others.
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
