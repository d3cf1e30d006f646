"""The machine and the package versions of a result."""

from __future__ import annotations

import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["environment", "peak_megabytes"]


def environment(device: torch.device) -> dict[str, Any]:
    """The machine and the package versions of a result.

    Args:
        device: The device of the computation.

    Returns:
        Plain values by name.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "versions": {
            "fastscape": _version("torch-fastscape"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": _version("triton"),
            "numpy": np.__version__,
        },
        "device": str(device),
        "processor": gpu or platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def peak_megabytes(device: torch.device) -> float | None:
    """The peak memory of this process so far, or of torch on a GPU.

    Args:
        device: The device of the computation.

    Returns:
        Megabytes, or None if the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        # Not the maximum of getrusage, which a child process inherits from its parent.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1e3
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return None
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / (1e6 if sys.platform == "darwin" else 1e3)


@cache  # reading it takes a tenth of the time of a small surface
def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
