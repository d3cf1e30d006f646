"""Triton, or a stand-in for the platforms that it is not built for.

Kernel files define their Triton kernel and its torch twin side by side. Where Triton is missing (macOS,
Windows) the kernels are still defined, but only the twins can be called.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["AVAILABLE", "interpreting", "tl", "triton"]

try:
    import triton
    import triton.language as tl

    AVAILABLE = True
except ImportError:  # pragma: no cover - only on platforms without Triton
    AVAILABLE = False

    class _Missing:
        """Answers the names that a kernel definition needs when it is only read, never run."""

        constexpr = object

        @staticmethod
        def jit(function: Any) -> Any:
            return function

    triton = _Missing()
    tl = _Missing()


def interpreting() -> bool:
    """Whether Triton runs its kernels on CPU tensors (`TRITON_INTERPRET=1`, set before the import)."""
    return os.environ.get("TRITON_INTERPRET", "0") == "1"
