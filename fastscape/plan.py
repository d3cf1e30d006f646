"""How the points of a landscape are evaluated. A plan changes the time of a run, never its values beyond rounding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import torch
from torch import nn

from fastscape.kernels import Backend

__all__ = ["Plan", "plan_fixed"]

Batching = Literal["vmap", "loop"]

# Memory for the weights of one chunk of points. Two points of a VGG already fill the caches of any processor, and
# the interpolation is read-bound only for the first few.
CHUNK_BYTES = 256 << 20
CHUNK_POINTS = 16
MICROBATCH = 64


@dataclass(frozen=True)
class Plan:
    """How points are evaluated.

    Args:
        batching: "vmap" runs the model once for a whole chunk of points, "loop" once for each point.
        chunk: Grid points whose weights are in memory at once, from one launch of the interpolation.
        microbatch: Samples in one forward pass.
        kernels: "auto", Triton on a GPU and torch elsewhere; or "triton" or "torch". Default "auto".

    Raises:
        ValueError: When an option is unknown or a number is below 1.

    Example:
        >>> from fastscape import Plan
        >>> Plan(batching="loop", chunk=4, microbatch=128)
        Plan(batching='loop', chunk=4, microbatch=128, kernels='auto')
    """

    batching: Batching
    chunk: int
    microbatch: int = MICROBATCH
    kernels: Backend = "auto"

    def __post_init__(self) -> None:
        for name, choices in (("batching", get_args(Batching)), ("kernels", get_args(Backend))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is unknown; wanted {' or '.join(map(repr, choices))}"
                )
        for name in ("chunk", "microbatch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} cannot be used; wanted an integer from 1")

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values, for the report."""
        return asdict(self)


def plan_fixed(model: nn.Module, size: int, *, device: torch.device, dtype: torch.dtype) -> Plan:
    """The plan that fixed rules give, without measuring.

    On the CPU a model without convolutions runs under vmap: its matrix products then become one larger product
    for all points of the chunk. Grouped convolutions, which vmap makes of convolutions, are slower there than a
    loop, and so is everything larger than the caches.

    Args:
        model: The model.
        size: Entries P of a point.
        device: Where it runs.
        dtype: Of the weights.

    Returns:
        The plan.
    """
    convolutions = any(isinstance(module, nn.modules.conv._ConvNd) for module in model.modules())
    return Plan(
        batching="vmap" if device.type == "cpu" and not convolutions else "loop",
        chunk=min(max(CHUNK_BYTES // (size * dtype.itemsize), 1), CHUNK_POINTS),
    )
