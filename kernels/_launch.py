"""Every launch configuration of the kernels, in one place.

The choices are fixed: the same call launches the same way on every run. One program handles `block` entries. In
`interpolate` a block is so long that every thread moves 16 bytes, the widest access, of each vector and each point.

A program of the fused product of `perturbed_linear` makes `outputs` x `rows` sums of each of `points` points. Because
of the amount it reads per step, rows times points should be large. Because of the tile of weights that it forms per
point, rows should be large first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

__all__ = ["GRAM", "Cost", "FusedLaunch", "Launch", "Variant", "fused_launch", "interpolate_launch", "padded"]


class Launch(NamedTuple):
    """Entries per program and warps per program."""

    block: int
    num_warps: int


class Cost(NamedTuple):
    """The bytes that one launch moves through memory, and its floating-point operations."""

    bytes_read: int
    bytes_written: int
    flops: int


class FusedLaunch(NamedTuple):
    """The tile of one program of the fused product, and how it runs."""

    outputs: int
    rows: int
    inputs: int
    points: int
    num_warps: int
    num_stages: int


class Variant(NamedTuple):
    """One specialisation of a kernel: its argument types, constants, and the cost of a launch."""

    name: str
    kernel: Any
    signature: dict[str, str]
    constants: dict[str, int | str]
    divisible: tuple[str, ...]  # arguments that are multiples of 16, like the sizes of a flat buffer
    launch: Launch | FusedLaunch
    cost: Cost


GRAM = Launch(block=1024, num_warps=4)


def interpolate_launch(itemsize: int, warp: int | None = None) -> Launch:
    """Four warps, whose threads each handle 16 bytes of a vector.

    Args:
        itemsize: Bytes of an entry.
        warp: Threads in a warp; default: 64 if torch was built for ROCm, else 32.

    Returns:
        The launch: 512 float32 entries per program on an NVIDIA GPU, 1024 on an AMD GPU.
    """
    threads = warp or (64 if torch.version.hip else 32)
    return Launch(block=16 // itemsize * 4 * threads, num_warps=4)


def fused_launch(
    rows: int,
    points: int,
    dtype: torch.dtype,
    *,
    wide: int = 4,
    exact: bool = True,
    even: bool = True,
    memory: int = 99 << 10,
) -> FusedLaunch:
    """The tile of the fused product: as large as fits into the registers of the target without spilling.

    Args:
        rows: Rows of x per point.
        points: Points.
        dtype: Dtype of x.
        wide: Bytes of an entry of the basis. Default 4.
        exact: Whether float32 is multiplied in full precision, without the matrix unit. Default True.
        even: Whether the inputs fill whole tiles; else each access needs a mask, and registers. Default True.
        memory: Bytes of shared memory that one program may use; as many steps are in progress as fit, at most four.
            Default: the shared memory of the smallest GPU.

    Returns:
        The launch.
    """
    plain = dtype == torch.float32 and exact
    hopper = memory >= 200 << 10  # and Blackwell, whose matrix units hold their sums elsewhere
    outputs, inputs = (64, 16) if plain else (128 if even else 64, 32)
    columns = 256 if hopper and even and dtype.itemsize == 2 else 128
    block = min(max(padded(rows), 16), 64 if plain else columns)
    most = 4 if block == 32 and memory > 64 << 10 else 2
    together = min(columns // block, most, padded(points))
    stage = inputs * (3 * outputs * wide + together * block * dtype.itemsize)
    return FusedLaunch(outputs, block, inputs, together, 8, max(min(memory // stage, 4), 1))


def padded(rows: int) -> int:
    """The power of two at or above `rows`: Triton's block shapes are powers of two."""
    return 1 << max(rows - 1, 0).bit_length()
