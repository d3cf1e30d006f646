"""Every launch configuration of the kernels, in one place.

The choices are fixed: the same call launches the same way on every run. One program handles `block` entries. In
`interpolate` a block is so long that every thread moves 16 bytes, the widest access, of each vector and each point.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["GRAM", "Cost", "Launch", "interpolate_launch", "padded"]


class Launch(NamedTuple):
    """Entries per program and warps per program."""

    block: int
    num_warps: int


class Cost(NamedTuple):
    """What one launch moves through memory, in bytes, and computes, in floating-point operations."""

    bytes_read: int
    bytes_written: int
    flops: int


GRAM = Launch(block=1024, num_warps=4)


def interpolate_launch(itemsize: int, warp: int | None = None) -> Launch:
    """Four warps, each thread of which has 16 bytes of a vector.

    Args:
        itemsize: Bytes of an entry.
        warp: Threads in a warp; default: 64 where torch was built for ROCm, else 32.

    Returns:
        The launch: 512 float32 entries a program on an NVIDIA GPU, 1024 on an AMD GPU.
    """
    threads = warp or (64 if torch.version.hip else 32)
    return Launch(block=16 // itemsize * 4 * threads, num_warps=4)


def padded(rows: int) -> int:
    """The power of two at or above `rows`: Triton's block shapes are powers of two."""
    return 1 << max(rows - 1, 0).bit_length()
