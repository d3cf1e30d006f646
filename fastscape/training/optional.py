"""Imports the modules of this package that need optional packages."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["__getattr__"]

ROOMS = "lightning", "transformers"


def __getattr__(name: str) -> ModuleType:
    """A module, imported when it is first named.

    Args:
        name: The name of the module.

    Returns:
        The module.

    Raises:
        AttributeError: When there is no such module.
    """
    if name not in ROOMS:
        raise AttributeError(f"module 'fastscape.training' has no attribute {name!r}")
    return import_module(f"fastscape.training.{name}")
