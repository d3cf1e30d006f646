"""Packages that only some formats need."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["package"]


def package(name: str, extra: str) -> Any:
    """A package that only this format needs.

    Args:
        name: Of the package.
        extra: The extra of this project that brings it.

    Returns:
        The module.

    Raises:
        ImportError: When it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed ({error}); write pip install {name}, or pip install 'torch-fastscape[{extra}]'"
        ) from error
