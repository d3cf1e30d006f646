"""What a landscape says about how it was made, so that its numbers can be judged and computed again."""

from __future__ import annotations

import platform
import sys
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

__all__ = ["counts", "depends_on_batches", "environment", "name_of", "peak_megabytes", "standard_error", "warned"]


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


def peak_megabytes(device: torch.device) -> float | None:
    """The most memory that this process, or torch on a GPU, has held so far.

    Args:
        device: Where a result was computed.

    Returns:
        Megabytes, or None where the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        # Not the maximum of getrusage: a child process inherits its parent's.
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


def standard_error(means: np.ndarray, squares: np.ndarray, samples: int) -> np.ndarray | None:
    """The standard error of a mean over samples, as an estimate for the population that they are drawn from.

        sqrt((mean of squares - mean^2) / (n - 1))

    Args:
        means: Means over the samples.
        squares: Means of the squares.
        samples: Number of samples n.

    Returns:
        The standard error of each mean; None for a single sample.
    """
    if samples < 2:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        return np.sqrt(np.maximum(squares - means**2, 0.0) / (samples - 1))


def depends_on_batches(dependence: float, dtype: torch.dtype) -> bool:
    """Whether a difference between a batch and its parts is more than rounding makes.

    Args:
        dependence: The largest relative difference.
        dtype: Of the computation.

    Returns:
        Whether the values depend on how the samples are batched.
    """
    return dependence > torch.finfo(dtype).eps ** 0.5


def warned(loss: np.ndarray, dependence: float, dtype: torch.dtype, microbatch: int) -> list[str]:
    """Warns of a landscape that is probably not what its user thinks it is.

    Args:
        loss: Values [H, W].
        dependence: The largest relative difference between a batch and its parts.
        dtype: Of the computation, from which the difference that rounding may make follows.
        microbatch: Samples in a batch.

    Returns:
        The warnings that were given.
    """
    messages = []
    if depends_on_batches(dependence, dtype):
        messages.append(
            f"the values depend on the microbatch of {microbatch} samples (samples batched in another way differ by "
            f"{dependence:.1e}): the loss or a metric is no plain mean over samples (class weights, ignored targets), "
            "or the outputs depend on the rest of the batch or are random; return one value a sample, or give a Plan "
            "whose microbatch holds all samples"
        )
    if loss.size > 1 and (loss == loss.flat[0]).all():
        messages.append(
            "the loss is the same at every point: does the model use its own parameters in its forward pass, and "
            "none that were bound to functions or lists elsewhere?"
        )
    for message in messages:
        warnings.warn(message, stacklevel=4)
    return messages


def name_of(function: Any) -> str:
    """What a function is called, with the module of torch or fastscape that it comes from.

    Args:
        function: A function, or an object that is called.

    Returns:
        Its full name, by which it can be found again; for functions of the user's only what it is called.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        return repr(function)
    module = getattr(function, "__module__", None) or ""
    return f"{module}.{name}" if module.split(".")[0] in ("torch", "fastscape") else name


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
