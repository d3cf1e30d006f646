"""Whether Triton can be used. It is imported on first use, because that takes longer than all of fastscape.

Only files named `*_triton.py` import Triton at their top, and only a launch imports these files. So the twins also run
without Triton (macOS, Windows).
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from contextlib import AbstractContextManager, nullcontext

import torch

__all__ = ["available", "current", "interpreting", "launches", "tf32"]


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


@functools.cache
def launches(device: torch.device) -> bool:
    """Whether Triton can launch a kernel. This is tried once; if it fails, a warning gives the reason.

    Triton builds its launcher with a C compiler when the first kernel runs, and many images that run models have no
    compiler.

    Args:
        device: The device.

    Returns:
        Whether it can.

    Raises:
        OutOfMemoryError: When the GPU has no memory left, which says nothing about Triton.
    """
    try:
        run = importlib.import_module(".philox_triton", __package__).draw_triton
        with current(device):
            run(torch.empty(4, device=device), 0, 0, 0, "uniform")
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        said = (str(error).strip() or repr(error)).splitlines()[0]
        warnings.warn(
            f"Triton cannot launch its kernels here ({type(error).__name__}: {said[:200]}), so torch computes what "
            "they would; install a C compiler, or write Plan(kernels='torch')",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    return True


def current(device: torch.device) -> AbstractContextManager[object]:
    """Makes a GPU the current device: Triton launches on the current device, wherever the tensors are."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def tf32() -> bool:
    """Whether torch may round the factors of float32 products to TF32."""
    try:
        return torch.get_float32_matmul_precision() != "highest"
    except RuntimeError:  # both of torch's switches were used; the newer switch is read
        return bool(torch.backends.cuda.matmul.fp32_precision == "tf32")
