"""Which of the two implementations of an operation runs: its Triton kernel, or its torch twin."""

from __future__ import annotations

from typing import Literal

import torch

from . import _triton

__all__ = ["Backend", "choose"]

Backend = Literal["auto", "torch", "triton"]


def choose(device: torch.device, backend: Backend = "auto") -> Literal["torch", "triton"]:
    """The backend that runs on tensors of `device`.

    Args:
        device: The device of the tensors.
        backend: "auto" for Triton on a GPU, if it can launch, and torch elsewhere; or the backend that must be used.

    Returns:
        "torch" or "triton".

    Raises:
        ValueError: When the backend is unknown.
        RuntimeError: When Triton was named and cannot run on this device.

    Example:
        >>> import torch
        >>> from fastscape.kernels import choose
        >>> choose(torch.device("cpu"))
        'torch'
    """
    if backend not in ("auto", "torch", "triton"):
        raise ValueError(f"backend must be 'auto', 'torch' or 'triton', got {backend!r}")
    on_gpu = device.type == "cuda"
    if backend == "auto":
        return "triton" if on_gpu and _triton.available() and _triton.launches(device) else "torch"
    if backend == "triton" and not _triton.available():
        raise RuntimeError("backend='triton' was asked for, but triton is not installed: pip install triton")
    if backend == "triton" and not (on_gpu or _triton.interpreting()):
        raise RuntimeError(
            f"backend='triton' was asked for, but the tensors are on {device}; move them to a GPU, write "
            "backend='torch', or set TRITON_INTERPRET=1 before the first kernel runs to debug it"
        )
    return backend
