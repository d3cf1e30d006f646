"""Every launch configuration of the kernels, in one place.

The defaults are fixed: the same call launches the same way on every run. `BLOCK` entries are handled by one
program; `num_warps` is chosen so that each thread moves 16 bytes (four float32 entries) in one access.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GRAM", "INTERPOLATE", "Cost", "Launch", "padded"]


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
INTERPOLATE = Launch(block=512, num_warps=4)


def padded(rows: int) -> int:
    """The power of two at or above `rows`: Triton's block shapes are powers of two."""
    return 1 << max(rows - 1, 0).bit_length()
