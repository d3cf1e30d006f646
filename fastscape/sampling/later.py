"""Imports scipy at its first use: only runs with a tolerance need scipy, and its import takes time."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["scipy"]


class _Later:
    """Stands for the package; it has the parts of the package, each loaded at its first use."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module("scipy"), name)


if TYPE_CHECKING:
    import scipy
else:
    scipy = _Later()
