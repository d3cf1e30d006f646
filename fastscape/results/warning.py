"""Gives warnings that point at the user's own line, however deep in the library they arise."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn"]


def warn(message: str) -> None:
    """Warns of something, at the line that called the library.

    Args:
        message: The text of the warning.
    """
    level, frame = 1, sys._getframe(0)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastscape":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
