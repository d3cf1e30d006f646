"""Segment Gram matrices of a basis, in one read of it.

    M[s, k, l] = sum over p in segment s of B[k, p] * B[l, p]

Shapes: basis_KP [K, P], segments S, gram_SKK [S, K, K] float64.

Every norm that a scheme needs is a quadratic form of these matrices: ||sum_k a_k b_k||^2 = a^T M a, so no scheme
ever reads the weights again. Source: the expansion of the squared norm; filter norms as in Li et al. 2018
(arXiv 1712.09913, section 4).

This module has the torch twin and the cost of a launch; the Triton kernels are in `gram_triton`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ._launch import GRAM, Cost
from .philox import FLOPS
from .seeded import Seeded, blocks
from .segments import Segments

__all__ = ["gram_cost", "gram_torch"]

# Entries of the basis that the torch twin widens to float64 at a time: 64 MiB.
_WIDENED = 1 << 23


def gram_cost(basis: Tensor | Seeded, segments: Segments) -> Cost:
    """Bytes and flops of `gram_triton` on this basis."""
    vectors, size = basis.shape
    tiles = int(segments.tiles(GRAM.block)[2].sum())
    partial = 8 if basis.dtype == torch.float64 else 4
    offsets = 2 * 8 * tiles
    stored, drawn = vectors, 0
    if isinstance(basis, Seeded):
        stored, drawn = 1, basis.directions * tiles * GRAM.block * FLOPS[basis.distribution]
    return Cost(
        bytes_read=stored * size * basis.dtype.itemsize + offsets,
        bytes_written=tiles * vectors**2 * partial,
        flops=2 * vectors**2 * size + drawn,
    )


def gram_torch(basis: Tensor | Seeded, segments: Segments) -> Tensor:
    """Segment Gram matrices [S, K, K], float64, by torch; the twin of `gram_triton`."""
    vectors, size = basis.shape
    gram = torch.zeros(segments.count, vectors, vectors, dtype=torch.float64, device=basis.device)
    if isinstance(basis, Seeded):
        for start, stop in blocks(size):
            touched, within = segments.between(start, stop)
            gram[touched] += gram_torch(basis.rows(start, stop), within)
        return gram
    for first, rows, start, length in segments.runs:
        matrix = basis[:, start : start + rows * length].view(vectors, rows, length)
        step = max(1, _WIDENED // (vectors * length))
        for row in range(0, rows, step):
            wide = matrix[:, row : row + step].double()
            target = gram[first + row : first + min(row + step, rows)]
            for k in range(vectors):
                for l in range(k, vectors):  # noqa: E741 - the second index of M[s, k, l]
                    target[:, k, l] = target[:, l, k] = (wide[k] * wide[l]).sum(-1)
    return gram
