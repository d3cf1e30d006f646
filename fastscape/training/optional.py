"""The rooms of this wing that need a package which not everybody has."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["__getattr__"]

ROOMS = "lightning", "transformers"


def __getattr__(name: str) -> ModuleType:
    """A room, imported when it is named first.

    Args:
        name: Of the room.

    Returns:
        The module.

    Raises:
        AttributeError: When there is no room of this name.
    """
    if name not in ROOMS:
        raise AttributeError(f"module 'fastscape.training' has no attribute {name!r}")
    return import_module(f"fastscape.training.{name}")
