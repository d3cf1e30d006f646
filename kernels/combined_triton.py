"""The Triton kernel that combines the shared products of `perturbed_linear` by the coefficients.

Traffic: K G R O sums read, G R O outputs written; 2 K G R O flops. One program combines BLOCK outputs of one row.
"""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

__all__ = ["BLOCK", "combined_triton"]

BLOCK = 1024


@triton.jit
def _combine_kernel(  # type: ignore[no-untyped-def]
    products_GRKO,
    c_GSK,
    bias_GO,
    y_GRO,
    R,
    O,  # noqa: E741
    K,
    stride_products,
    PER_FILTER: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    accumulator: tl.constexpr = c_GSK.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    g = row // R
    o = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = o < O
    products = products_GRKO + g * stride_products + (row - g * R) * K * O + o
    c = c_GSK + g * K * O + o * K if PER_FILTER else c_GSK + g * K
    y = tl.zeros([BLOCK], accumulator)
    for k in range(0, K):
        factor = tl.load(c + k, mask=inside, other=0.0) if PER_FILTER else tl.load(c + k)
        y += factor * tl.load(products + k * O, mask=inside, other=0.0).to(accumulator)
    if HAS_BIAS:
        y += tl.load(bias_GO + g * O + o, mask=inside, other=0.0).to(accumulator)
    tl.store(y_GRO + row * O + o, y.to(y_GRO.dtype.element_ty), mask=inside)


def combined_triton(products_GRKO: Tensor, c_GSK: Tensor, bias: Tensor | None, out: Tensor) -> Tensor:
    """Combined shared products, written to `out` [G, R, O].

    Args:
        products_GRKO: Contiguous [G or 1, R, K, O]; if the first size is 1, all points share the products.
        c_GSK: Coefficients [G, 1 or O, K].
        bias: [G, O], or None.
        out: The tensor to write to.

    Returns:
        `out`.
    """
    points, rows, outputs = out.shape
    _combine_kernel[(points * rows, -(-outputs // BLOCK))](
        products_GRKO,
        c_GSK,
        out if bias is None else bias.contiguous(),
        out,
        rows,
        outputs,
        products_GRKO.shape[2],
        0 if len(products_GRKO) < points else products_GRKO.stride(0),
        PER_FILTER=c_GSK.shape[1] > 1,
        HAS_BIAS=bias is not None,
        BLOCK=BLOCK,
        num_warps=4,
    )
    return out
