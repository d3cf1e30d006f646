"""The Triton kernels of `interpolate`: many points of weight space from one read of a basis.

Traffic: K P entries read and G P written, instead of the G (K + 1) P of a loop over points; 2 K G P flops.
Tiling: one program keeps BLOCK entries of all K vectors in registers and loops over the G points, so the basis is read
once for any G. The segment of an entry needs no memory of its own: a table gives the first segment of each block, and
the program counts the segment borders inside the block.

A seeded basis has a kernel of its own: it reads only theta, P entries instead of K P, and computes the directions in
registers, once for all G points.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

from ._launch import interpolate_launch
from .philox import key
from .philox_triton import draw_block
from .seeded import Seeded, accumulation_dtype
from .segments import Segments

__all__ = ["interpolate_triton"]


@triton.jit
def _segment_of(p, starts_S1, block_segment_N1, block, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """The segment of each entry p of one block: the block's first segment plus the borders at or before p."""
    first = tl.load(block_segment_N1 + block)
    last = tl.load(block_segment_N1 + block + 1)
    segment = tl.zeros([BLOCK], dtype=tl.int32) + first
    for s in range(first + 1, last + 1):
        segment += (p >= tl.load(starts_S1 + s)).to(tl.int32)
    return segment


@triton.jit
def _interpolate_kernel(  # type: ignore[no-untyped-def]
    basis_KP,
    coefficients_GSK,
    out_GP,
    starts_S1,
    block_segment_N1,
    G,
    S,
    P,
    stride_basis,
    stride_out,
    K: tl.constexpr,
    SEGMENTED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = coefficients_GSK.dtype.element_ty
    block = tl.program_id(0).to(tl.int64)
    p = block * BLOCK + tl.arange(0, BLOCK)  # int64: a basis may hold more than 2^31 entries
    inside = p < P
    b = ()  # each vector by itself: a block of all of them would be spread over threads, and summed across them
    for k in tl.static_range(K):
        vector = tl.load(basis_KP + k * tl.cast(stride_basis, tl.int64) + p, mask=inside, other=0.0)
        b = b + (vector.to(accumulator),)  # type: ignore[assignment]  # noqa: RUF005 - Triton unpacks nothing
    column = _segment_of(p, starts_S1, block_segment_N1, block, BLOCK) * K if SEGMENTED else 0
    for g in range(0, G):
        point = tl.cast(g, tl.int64)
        c = coefficients_GSK + point * S * K + column
        w = tl.load(c) * b[0]  # type: ignore[misc]
        for k in tl.static_range(1, K):
            w += tl.load(c + k) * b[k]
        tl.store(out_GP + point * stride_out + p, w.to(out_GP.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["first_counter"])  # parts of a buffer begin anywhere, and share one compilation
def _interpolate_seeded_kernel(  # type: ignore[no-untyped-def]
    theta_P,
    coefficients_GSK,
    out_GP,
    starts_S1,
    block_segment_N1,
    key_1,
    first_counter,
    G,
    S,
    P,
    stride_out,
    K: tl.constexpr,
    DISTRIBUTION: tl.constexpr,
    WEIGHTED: tl.constexpr,
    SEGMENTED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = coefficients_GSK.dtype.element_ty
    block = tl.program_id(0).to(tl.int64)
    p = block * BLOCK + tl.arange(0, BLOCK)
    counter = first_counter + block * (BLOCK // 4) + tl.arange(0, BLOCK // 4)
    inside = p < P
    theta = tl.load(theta_P + p, mask=inside, other=0.0).to(accumulator)
    b = (theta,)
    for k in tl.static_range(1, K):
        d = draw_block(key_1, k - 1, counter, DISTRIBUTION, accumulator)
        if WEIGHTED:
            d *= theta
        b = b + (d,)  # type: ignore[assignment]  # noqa: RUF005 - Triton unpacks nothing
    column = _segment_of(p, starts_S1, block_segment_N1, block, BLOCK) * K if SEGMENTED else 0
    for g in range(0, G):
        point = tl.cast(g, tl.int64)
        c = coefficients_GSK + point * S * K + column
        w = tl.load(c) * theta + tl.load(c + 1) * b[1]  # type: ignore[misc]
        for k in tl.static_range(2, K):
            w += tl.load(c + k) * b[k]
        tl.store(out_GP + point * stride_out + p, w.to(out_GP.dtype.element_ty), mask=inside)


def interpolate_triton(basis: Tensor | Seeded, coefficients: Tensor, segments: Segments, out: Tensor) -> Tensor:
    """Points [G, P] written to `out` by the Triton kernels. See `fastscape.kernels.interpolate`."""
    points, cuts, vectors = coefficients.shape
    size = basis.shape[1]
    if points == 0 or size == 0 or vectors == 0:
        return out.zero_()
    segmented = cuts > 1
    launch = interpolate_launch(basis.dtype.itemsize)
    grid = (-(-size // launch.block),)
    c = coefficients.to(accumulation_dtype(basis.dtype)).contiguous()
    table = segments.of_blocks(launch.block) if segmented else segments.starts
    if isinstance(basis, Seeded):
        _interpolate_seeded_kernel[grid](
            basis.theta,
            c,
            out,
            segments.starts,
            table,
            key(basis.seed, basis.device),
            basis.first // 4,
            points,
            cuts,
            size,
            out.stride(0),
            K=vectors,
            DISTRIBUTION=basis.distribution,
            WEIGHTED=basis.weighted,
            SEGMENTED=segmented,
            BLOCK=launch.block,
            num_warps=launch.num_warps,
        )
        return out
    _interpolate_kernel[grid](
        basis,
        c,
        out,
        segments.starts,
        table,
        points,
        cuts,
        size,
        basis.stride(0),
        out.stride(0),
        K=vectors,
        SEGMENTED=segmented,
        BLOCK=launch.block,
        num_warps=launch.num_warps,
    )
    return out
