"""What a landscape says about how it was made, so that its numbers can be judged and computed again."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np
import torch

__all__ = ["counts", "environment"]


def environment(device: torch.device) -> dict[str, Any]:
    """The machine and the versions that a result was computed with.

    Args:
        device: Where it was computed.

    Returns:
        Plain values by name.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "versions": {
            "fastscape": _version("fastscape"),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "triton": _version("triton"),
            "numpy": np.__version__,
        },
        "device": str(device),
        "processor": gpu or platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
    }


def counts(values: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
    """How many values are NaN or infinite, for each measure.

    Args:
        values: Arrays by name.

    Returns:
        For each name the numbers of "nan" and "inf" values.
    """
    return {
        name: {"nan": int(np.isnan(array).sum()), "inf": int(np.isinf(array).sum())} for name, array in values.items()
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
