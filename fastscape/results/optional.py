"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["package"]


def package(name: str, extra: str) -> Any:
    """Imports a package that only some formats need.

    Args:
        name: The name of the package.
        extra: The extra of this project that installs the package.

    Returns:
        The module.

    Raises:
        ImportError: When the package is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed ({error}); write pip install {name}, or pip install 'torch-fastscape[{extra}]'"
        ) from error
