"""Many points of weight space from one read of a basis.

    w[g, p] = sum_k c[g, s(p), k] * B[k, p]

Shapes: basis_KP [K, P], coefficients_GSK [G, S or 1, K], out_GP [G, P]; s(p) is the segment that holds entry p.

Every path through weight space is this sum; schemes differ only in the coefficients. Source: the linear form of
"theta + alpha d1 + beta d2" (Li et al. 2018, arXiv 1712.09913, section 3.2), per segment.

This module has the torch twin and the cost of a launch; the Triton kernels are in `interpolate_triton`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._launch import Cost, interpolate_launch
from .philox import FLOPS
from .seeded import Seeded, accumulation_dtype, blocks
from .segments import Segments

__all__ = ["interpolate_cost", "interpolate_torch"]

# Entries of all points that the torch twin holds in float32 at a time on their way to half precision: 4 MiB stay in
# the caches, and one block of memory is used again and again.
_WIDENED = 1 << 20


def interpolate_cost(basis: Tensor | Seeded, coefficients: Tensor, segments: Segments) -> Cost:
    """Bytes and flops of `interpolate_triton` on these arguments."""
    vectors, size = basis.shape
    points, cuts, _ = coefficients.shape
    itemsize = basis.dtype.itemsize
    table = 0 if cuts == 1 else 4 * (-(-size // interpolate_launch(itemsize).block) + 1) + 8 * segments.count
    width = accumulation_dtype(basis.dtype).itemsize
    stored, drawn = vectors, 0
    if isinstance(basis, Seeded):
        stored, drawn = 1, basis.directions * size * FLOPS[basis.distribution]
    return Cost(
        bytes_read=stored * size * itemsize + coefficients.numel() * width + table,
        bytes_written=points * size * itemsize,
        flops=2 * vectors * points * size + drawn,
    )


def interpolate_torch(basis: Tensor | Seeded, coefficients: Tensor, segments: Segments, out: Tensor) -> Tensor:
    """Points [G, P] written to `out` by torch; the twin of `interpolate_triton`."""
    points, cuts, vectors = coefficients.shape
    if points == 0 or vectors == 0:
        return out.zero_()
    if isinstance(basis, Seeded):
        for start, stop in blocks(basis.shape[1]):
            touched, within = segments.between(start, stop)
            c = coefficients[:, touched] if cuts > 1 else coefficients
            interpolate_torch(basis.rows(start, stop), c, within, out[:, start:stop])
        return out
    c = coefficients.to(accumulation_dtype(basis.dtype))
    if cuts == 1 and vectors > 1:
        return _combine_uniform(basis, c[:, 0], out)
    for first, rows, start, length in segments.runs:
        stop = start + rows * length
        matrix = basis[:, start:stop].view(vectors, rows, length)
        target = out[:, start:stop].view(points, rows, length)
        scale = c[:, first : first + rows] if cuts > 1 else c
        if out.dtype == c.dtype:
            _combine_rows(matrix, scale, target)
        else:
            target.copy_(_combine_rows(matrix.to(c.dtype), scale, torch.empty_like(target, dtype=c.dtype)))
    return out


def _combine_uniform(basis: Tensor, c_GK: Tensor, out: Tensor) -> Tensor:
    """One coefficient per point and vector: a matrix product at the speed of memory."""
    if out.dtype == c_GK.dtype:
        return torch.mm(c_GK, basis, out=out)
    points, entries = len(c_GK), basis.shape[1]
    width = max(_WIDENED // points, 1)
    memory = c_GK.new_empty(points * min(width, entries))
    for start in range(0, entries, width):
        part = basis[:, start : start + width].to(c_GK.dtype)
        made = torch.mm(c_GK, part, out=memory[: points * part.shape[1]].view(points, -1))
        out[:, start : start + width] = made
    return out


def _combine_rows(matrix_KRL: Tensor, c_GRK: Tensor, out_GRL: Tensor) -> Tensor:
    """One coefficient per point, row and vector."""
    # The first vector keeps its leading axis: in place, torch requires the output in exactly the layout of the input.
    torch.mul(matrix_KRL[:1], c_GRK[:, :, 0, None], out=out_GRL)
    for k in range(1, len(matrix_KRL)):
        out_GRL.addcmul_(matrix_KRL[k], c_GRK[:, :, k, None])
    return out_GRL
