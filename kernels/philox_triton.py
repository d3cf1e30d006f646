"""The Triton kernel of `draw`, and the function by which other kernels compute directions in registers.

Traffic: N entries written, nothing read. Each normal costs about 25 integer and 28 floating-point operations.
Tiling: one program computes BLOCK / 4 counters, each of which gives four neighbouring entries. Sine and cosine are
Taylor polynomials on an eighth of a turn, because the library's functions reduce large arguments in local memory.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from ._launch import interpolate_launch
from .philox import Distribution, key

__all__ = ["draw_block", "draw_tile", "draw_triton"]


@triton.jit
def _normal_pair(w0, w1, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """Two normals from two words, by the transform of Box and Muller."""
    radius = tl.sqrt(-2.0 * tl.log(((w0 >> 8) + 1).to(tl.int32).to(dtype) * 5.9604644775390625e-08))  # 1 / 2^24
    turn = (w1 >> 8).to(tl.int32)  # in 2^24 parts; the nearest quarter is subtracted, exactly
    quarter = (turn + 2097152) >> 22
    x = (turn - (quarter << 22)).to(dtype) * 3.7450702829239286e-07  # 2 pi / 2^24
    square = x * x
    sine = tl.full(x.shape, 1.0, dtype)
    cosine = tl.full(x.shape, 1.0, dtype)
    for i in tl.static_range(8, 0, -1):
        sine = 1.0 - sine * square * (1.0 / (2 * i * (2 * i + 1)))
        cosine = 1.0 - cosine * square * (1.0 / (2 * i * (2 * i - 1)))
    sine = sine * x
    odd = (quarter & 1) == 1
    first = tl.where(odd, sine, cosine)
    second = tl.where(odd, cosine, sine)
    first = tl.where(((quarter + 1) & 2) == 2, -first, first)
    second = tl.where((quarter & 2) == 2, -second, second)
    return radius * first, radius * second


@triton.jit
def _plain(w, DISTRIBUTION: tl.constexpr, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """A uniform number or a sign from one word."""
    if DISTRIBUTION == "uniform":
        return (w >> 8).to(tl.int32).to(dtype) * 5.9604644775390625e-08
    else:
        return tl.where((w >> 31) == 1, 1.0, -1.0).to(dtype)


@triton.jit
def _fours(key_1, stream, counter, DISTRIBUTION: tl.constexpr, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """The numbers [..., 2, 2] of counters [...], int64."""
    low = counter.to(tl.uint32)
    zero = low * 0
    w0, w1, w2, w3 = tl.philox(
        tl.load(key_1), low, (counter >> 32).to(tl.uint32), zero + tl.cast(stream, tl.uint32), zero
    )
    if DISTRIBUTION == "normal":
        a, b = _normal_pair(w0, w1, dtype)
        c, d = _normal_pair(w2, w3, dtype)
    else:
        a = _plain(w0, DISTRIBUTION, dtype)
        b = _plain(w1, DISTRIBUTION, dtype)
        c = _plain(w2, DISTRIBUTION, dtype)
        d = _plain(w3, DISTRIBUTION, dtype)
    return tl.join(tl.join(a, c), tl.join(b, d))


@triton.jit
def draw_block(key_1, stream, counter, DISTRIBUTION: tl.constexpr, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """The numbers [4 N] of N counters [N], int64, in the order of their entries."""
    return tl.reshape(_fours(key_1, stream, counter, DISTRIBUTION, dtype), [4 * counter.shape[0]])


@triton.jit
def draw_tile(key_1, stream, counter, DISTRIBUTION: tl.constexpr, dtype: tl.constexpr):  # type: ignore[no-untyped-def]
    """The numbers [M, 4 N] of counters [M, N], int64, in the order of their entries."""
    fours = _fours(key_1, stream, counter, DISTRIBUTION, dtype)
    return tl.reshape(fours, [counter.shape[0], 4 * counter.shape[1]])


@triton.jit
def _draw_kernel(  # type: ignore[no-untyped-def]
    out_N,
    key_1,
    stream,
    start,
    N,
    DISTRIBUTION: tl.constexpr,
    ALIGNED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    dtype: tl.constexpr = tl.float64 if out_N.dtype.element_ty == tl.float64 else tl.float32
    block = tl.program_id(0).to(tl.int64)
    counter = start // 4 + block * (BLOCK // 4) + tl.arange(0, BLOCK // 4)
    n = block * BLOCK + tl.arange(0, BLOCK)  # int64: a direction may hold more than 2^31 entries
    inside = n < N
    if not ALIGNED:  # the first counter begins before the first entry
        n -= start % 4
        inside = (n >= 0) & (n < N)
    numbers = draw_block(key_1, stream, counter, DISTRIBUTION, dtype)
    tl.store(out_N + n, numbers.to(out_N.dtype.element_ty), mask=inside)


def draw_triton(out: Tensor, seed: int, stream: int, start: int, distribution: Distribution) -> Tensor:
    """Numbers written to `out` [N] by the Triton kernel. See `fastscape.kernels.draw`."""
    if not out.numel():
        return out
    launch = interpolate_launch(out.element_size())
    blocks = -(-(start % 4 + out.numel()) // launch.block)
    _draw_kernel[(blocks,)](
        out,
        key(seed, out.device),
        stream,
        start,
        out.numel(),
        DISTRIBUTION=distribution,
        ALIGNED=start % 4 == 0,
        BLOCK=launch.block,
        num_warps=launch.num_warps,
    )
    return out
