"""Random numbers that are a function of their place: entry p of a stream depends only on (seed, stream, p).

    w_0 .. w_3 = Philox4x32-10(key = seed, counter = (p // 4, stream, 0)),   the word of entry p is w_(p % 4)
    normal      sqrt(-2 log((a + 1) / 2^24)) * (cos or sin)(2 pi b / 2^24), two numbers from two words
    uniform     a / 2^24, in [0, 1)
    rademacher  1 if a >= 2^23, else -1

a and b are the high 24 bits of a word and of its neighbour.

Shapes: out_N [N], the entries start .. start + N - 1 of a stream. The seed has 64 bits. The counter has four words of
32 bits each: p // 4 (two words), the stream, and 0. For one seed no counter occurs in two streams, and Philox is a
bijection of counters, so the streams are disjoint.

A number depends on nothing else. So it is the same for every block size and number of processes, and to rounding on
every device, and a kernel can compute it again instead of reading it. The numbers have 24 bits, so that float32 holds
a and b exactly: float32 normals differ from float64 normals only by rounding, at most 6e-7 in the interpreter. No
normal is larger than 5.8.

This module has the twin. On a CPU it uses the compiled `philox.c`, which needs a C compiler (`philox_compiled`), or
numpy, which gives the same bits (`philox_numpy`). On a GPU without Triton it uses operations of torch. All compute in
float64 and round once to float32, from which half precisions are rounded. The Triton kernel is in `philox_triton`.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3; Box and Muller 1958.
"""

from __future__ import annotations

import functools
import math
from typing import Literal, get_args

import torch
from torch import Tensor

from .philox_compiled import compiled
from .philox_numpy import draw_numpy

__all__ = ["FLOPS", "STREAMS", "Distribution", "check", "draw_torch", "key"]

Distribution = Literal["normal", "uniform", "rademacher"]

FLOPS: dict[str, int] = {"normal": 28, "uniform": 1, "rademacher": 0}
"""Floating-point operations of one number; logarithm and square root count as one."""

STREAMS = 1 << 32
"""Number of streams of a seed."""

_MASK = (1 << 32) - 1
_MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
_WEYL = 0x9E3779B9, 0xBB67AE85
# Counters that operations of torch handle at a time, enough to keep a GPU busy.
_COUNTERS = 1 << 20


def check(seed: int, distribution: str) -> None:
    """Refuses an invalid seed or distribution, with a ValueError."""
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be an integer from 0 to 2^64 - 1, got {seed}")
    if distribution not in get_args(Distribution):
        raise ValueError(
            f"distribution must be one of {', '.join(map(repr, get_args(Distribution)))}, got {distribution!r}"
        )


@functools.lru_cache(maxsize=16)  # a copy from the CPU would wait for everything before it
def key(seed: int, device: torch.device) -> Tensor:
    """The seed as the kernels read it: [1], int64, the bits of a 64-bit unsigned integer. Do not write to it."""
    return torch.tensor([seed - (1 << 64) if seed >> 63 else seed], dtype=torch.int64, device=device)


def draw_torch(out: Tensor, seed: int, stream: int, start: int, distribution: Distribution) -> Tensor:
    """Numbers written to `out` [N], in float64 until they are stored; the twin of `draw_triton`."""
    if out.device.type == "cpu":
        return (compiled(out) or draw_numpy)(out, seed, stream, start, distribution)
    return _draw_operations(out, seed, stream, start, distribution)


def _draw_operations(out: Tensor, seed: int, stream: int, start: int, distribution: Distribution) -> Tensor:
    """The same by operations of torch, for a GPU; torch's library functions may round differently."""
    stop = start + out.numel()
    for first in range(start // 4, -(-stop // 4), _COUNTERS):
        last = min(first + _COUNTERS, -(-stop // 4))
        numbers = _numbers(_words(seed, stream, first, last, out.device), distribution)
        begin, end = max(4 * first, start), min(4 * last, stop)
        out[begin - start : end - start] = numbers[begin - 4 * first : end - 4 * first]
    return out


def _words(seed: int, stream: int, first: int, last: int, device: torch.device) -> tuple[Tensor, ...]:
    """The four words, each [last - first], int64, of the counters first .. last - 1."""
    c0 = torch.arange(first, last, dtype=torch.int64, device=device)
    c1 = c0 >> 32
    c0 &= _MASK
    c2, c3 = torch.full_like(c0, stream), torch.zeros_like(c0)
    product0, product2 = torch.empty_like(c0), torch.empty_like(c0)
    k0, k1 = seed & _MASK, seed >> 32
    for _ in range(10):
        torch.mul(c0, _MULTIPLIERS[0], out=product0)  # of 32 by 32 bits: the 64 bits that int64 keeps
        torch.mul(c2, _MULTIPLIERS[1], out=product2)
        torch.bitwise_right_shift(product2, 32, out=c0).bitwise_xor_(c1).bitwise_xor_(k0).bitwise_and_(_MASK)
        torch.bitwise_right_shift(product0, 32, out=c2).bitwise_xor_(c3).bitwise_xor_(k1).bitwise_and_(_MASK)
        c1, product2 = product2, c1
        c3, product0 = product0, c3
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1.bitwise_and_(_MASK), c2, c3.bitwise_and_(_MASK)


def _numbers(words: tuple[Tensor, ...], distribution: Distribution) -> Tensor:
    """The numbers [4 N], float64, of four words [N], in the order of their entries."""
    if distribution == "normal":
        numbers = torch.empty(len(words[0]), 4, dtype=torch.float64, device=words[0].device)
        for j in (0, 2):
            radius = ((words[j] >> 8) + 1).double().mul_(2.0**-24).log_().mul_(-2.0).sqrt_()
            angle = (words[j + 1] >> 8).double().mul_(math.tau * 2.0**-24)
            torch.mul(radius, angle.cos(), out=numbers[:, j])
            torch.mul(radius, angle.sin_(), out=numbers[:, j + 1])
        return numbers.view(-1)
    high = torch.stack(words, dim=1).view(-1) >> 8
    if distribution == "uniform":
        return high.double().mul_(2.0**-24)
    return (high >> 23).double().mul_(2.0).sub_(1.0)
