"""Whether Triton can be used. It is imported when it is first needed: that takes longer than all of fastscape.

Only files named `*_triton.py` import it at their top, and only a launch imports those. So the twins also run where
Triton is missing (macOS, Windows).
"""

from __future__ import annotations

import functools
import importlib
import os

__all__ = ["available", "interpreting"]


@functools.cache
def available() -> bool:
    """Whether Triton can be imported."""
    try:
        importlib.import_module("triton")
    except ImportError:  # pragma: no cover - only on platforms without Triton
        return False
    return True


def interpreting() -> bool:
    """Whether Triton runs its kernels on CPU tensors (`TRITON_INTERPRET=1`, set before the first launch)."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"
