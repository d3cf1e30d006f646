"""Random numbers that are a function of their place: entry p of a stream is computed from (seed, stream, p) alone.

    w_0 .. w_3 = Philox4x32-10(key = seed, counter = (p // 4, stream, 0)),   the word of entry p is w_(p % 4)
    normal      sqrt(-2 log((a + 1) / 2^24)) * (cos or sin)(2 pi b / 2^24), two numbers from two words
    uniform     a / 2^24, in [0, 1)
    rademacher  1 if a >= 2^23, else -1

a and b are the high 24 bits of a word and of its neighbour.

Shapes: out_N [N], the entries start .. start + N - 1 of a stream. The seed has 64 bits, the counter of four words 32
bits each: p // 4 (two words), the stream, and 0. For one seed no counter occurs in two streams, and Philox is a
bijection of counters, so the streams are disjoint.

As a number depends on nothing else, it is the same for every block size and number of processes, and to rounding on
every device, and a kernel can compute it again instead of reading it. The numbers have 24 bits, so that float32 holds
a and b exactly: float32 normals differ from float64 ones by rounding only, 6e-7 at most in the interpreter. No normal
is larger than 5.8.

Here is the choice of the twin: `philox_torch`, or on a CPU with a C compiler `philox.c`, which gives the same bits
(`philox_compiled`). Both compute in float64 and round once to float32, from which half precisions are rounded. The
Triton kernel is in `philox_triton`.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3; Box and Muller 1958.
"""

from __future__ import annotations

import functools
from typing import Literal, get_args

import torch
from torch import Tensor

from .philox_compiled import compiled
from .philox_torch import draw_plain

__all__ = ["FLOPS", "STREAMS", "Distribution", "check", "draw_torch", "key"]

Distribution = Literal["normal", "uniform", "rademacher"]

FLOPS: dict[str, int] = {"normal": 28, "uniform": 1, "rademacher": 0}
"""Floating-point operations of one number; logarithm and square root count as one."""

STREAMS = 1 << 32
"""Number of streams of a seed."""


def check(seed: int, distribution: str) -> None:
    """Refuses what is no seed or no distribution, with a ValueError."""
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed={seed} is out of range; wanted an integer from 0 to 2^64 - 1")
    if distribution not in get_args(Distribution):
        raise ValueError(
            f"distribution={distribution!r} is unknown; wanted one of {', '.join(map(repr, get_args(Distribution)))}"
        )


@functools.lru_cache(maxsize=16)  # a copy from the CPU would wait for everything before it
def key(seed: int, device: torch.device) -> Tensor:
    """The seed as the kernels read it: [1], int64, the bits of a 64-bit unsigned integer. Not to be written to."""
    return torch.tensor([seed - (1 << 64) if seed >> 63 else seed], dtype=torch.int64, device=device)


def draw_torch(out: Tensor, seed: int, stream: int, start: int, distribution: Distribution) -> Tensor:
    """Numbers written to `out` [N] by the torch twin of `draw_triton`, or by what gives the same bits faster."""
    library = compiled(out)
    return (library or draw_plain)(out, seed, stream, start, distribution)
