"""The Triton kernels of `gram`: segment Gram matrices of a basis, in one read of it.

Traffic: K P entries read, K^2 (S + P / BLOCK) sums written; 2 K^2 P flops.
Tiling: a segment is cut into tiles of at most BLOCK entries, and one program handles one tile. So a long segment
spreads over the device and a short segment costs one program. Row l is loaded a second time for its products, from the
cache, which the first load has filled. Tile sums stay in float32 (1024 terms) and are added in float64, in order: the
result has the same bits on every run, which atomic additions would not give.

A seeded basis has a kernel of its own: it reads only theta, P entries instead of K P, and computes the directions in
registers. One counter gives four neighbouring entries, so a program computes the whole aligned block that contains its
tile, and drops the entries outside the tile.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ._launch import GRAM, padded
from .philox import key
from .philox_triton import draw_block
from .seeded import Seeded
from .segments import Segments

__all__ = ["gram_triton"]


@triton.jit
def _gram_kernel(  # type: ignore[no-untyped-def]
    basis_KP,
    partial_TKK,
    tile_start_T,
    tile_stop_T,
    K,
    stride_basis,
    K_PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = partial_TKK.dtype.element_ty
    tile = tl.program_id(0).to(tl.int64)
    start = tl.load(tile_start_T + tile)
    stop = tl.load(tile_stop_T + tile)
    p = start + tl.arange(0, BLOCK)  # int64: a basis may hold more than 2^31 entries
    k = tl.arange(0, K_PADDED)
    inside = p < stop
    rows = basis_KP + k.to(tl.int64)[:, None] * stride_basis + p[None, :]
    b = tl.load(rows, mask=(k < K)[:, None] & inside[None, :], other=0.0).to(accumulator)
    for row in range(0, K):
        other = tl.load(basis_KP + row * tl.cast(stride_basis, tl.int64) + p, mask=inside, other=0.0).to(accumulator)
        products = tl.sum(b * other[None, :], axis=1)
        tl.store(partial_TKK + (tile * K + row) * K + k, products, mask=k < K)


@triton.jit(do_not_specialize=["first_counter"])  # parts of a buffer begin anywhere, and share one compilation
def _gram_seeded_kernel(  # type: ignore[no-untyped-def]
    theta_P,
    partial_TKK,
    tile_start_T,
    tile_stop_T,
    key_1,
    first_counter,
    K: tl.constexpr,
    DISTRIBUTION: tl.constexpr,
    WEIGHTED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = partial_TKK.dtype.element_ty
    tile = tl.program_id(0).to(tl.int64)
    start = tl.load(tile_start_T + tile)
    stop = tl.load(tile_stop_T + tile)
    block = start // BLOCK  # a tile is within one block, whose entries have whole counters
    p = block * BLOCK + tl.arange(0, BLOCK)
    counter = first_counter + block * (BLOCK // 4) + tl.arange(0, BLOCK // 4)
    inside = (p >= start) & (p < stop)
    theta = tl.load(theta_P + p, mask=inside, other=0.0).to(accumulator)
    factor = theta if WEIGHTED else inside.to(accumulator)
    out = partial_TKK + tile * K * K
    b = (theta,)
    tl.store(out, tl.sum(theta * theta))
    for k in tl.static_range(1, K):
        d = draw_block(key_1, k - 1, counter, DISTRIBUTION, accumulator) * factor
        for j in tl.static_range(0, k):
            across = tl.sum(b[j] * d)
            tl.store(out + j * K + k, across)
            tl.store(out + k * K + j, across)
        tl.store(out + k * K + k, tl.sum(d * d))
        b = b + (d,)  # type: ignore[assignment]  # noqa: RUF005 - Triton unpacks nothing


def gram_triton(basis: Tensor | Seeded, segments: Segments) -> Tensor:
    """Segment Gram matrices [S, K, K], float64, by the Triton kernels. See `fastscape.kernels.gram`."""
    vectors = basis.shape[0]
    start, stop, per_segment = segments.tiles(GRAM.block)
    if not len(start):
        return torch.zeros(segments.count, vectors, vectors, dtype=torch.float64, device=basis.device)
    accumulator = torch.float64 if basis.dtype == torch.float64 else torch.float32
    partial = torch.empty(len(start), vectors, vectors, dtype=accumulator, device=basis.device)
    if isinstance(basis, Seeded):
        _gram_seeded_kernel[(len(start),)](
            basis.theta,
            partial,
            start,
            stop,
            key(basis.seed, basis.device),
            basis.first // 4,
            K=vectors,
            DISTRIBUTION=basis.distribution,
            WEIGHTED=basis.weighted,
            BLOCK=GRAM.block,
            num_warps=GRAM.num_warps,
        )
    else:
        _gram_kernel[(len(start),)](
            basis,
            partial,
            start,
            stop,
            vectors,
            basis.stride(0),
            K_PADDED=padded(vectors),
            BLOCK=GRAM.block,
            num_warps=GRAM.num_warps,
        )
    return torch.segment_reduce(partial.double(), "sum", lengths=per_segment, axis=0, initial=0.0)
