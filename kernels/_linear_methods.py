"""The methods of `perturbed_linear` that leave the product to torch, and the torch twin of the fused method.

Shapes as in `perturbed_linear`: x_GRI, basis_KOI or seeded, c_GSK [G, 1 or O, K], bias_GO, y_GRO.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor

from .interpolate import interpolate_torch
from .philox import draw_torch
from .seeded import Seeded, accumulation_dtype
from .segments import Segments

__all__ = ["fused_torch", "materialised", "shared"]

Chosen = Literal["torch", "triton"]


def shared(x: Tensor, basis: Tensor | Seeded, c_GSK: Tensor, bias: Tensor | None, backend: Chosen) -> Tensor:
    """One product with the K stacked matrices; the coefficients combine its results."""
    points, rows, inputs = x.shape
    if isinstance(basis, Seeded):
        matrices = stacked(basis, x.dtype, backend).view(basis.shape[0], -1, inputs)
    else:
        matrices = basis.to(x.dtype)
    vectors, outputs, _ = matrices.shape
    once = x[:1] if points > 1 and x.stride(0) == 0 else x  # one x for all points is multiplied once
    flat = once.reshape(len(once) * rows, inputs)
    if backend == "torch":  # one matrix after another: matrices of a flat buffer are not adjacent, and would be copied
        each = (_times(flat, matrix).view(len(once), rows, outputs) for matrix in matrices)
        return _combined(each, c_GSK, bias, x.dtype)
    if matrices.is_contiguous():
        products = _times(flat, matrices.view(vectors * outputs, inputs))
    else:  # matrices of a flat buffer are not adjacent; their products are smaller than they are, if rows are few
        products = torch.stack([_times(flat, matrix) for matrix in matrices], dim=1)
    products = products.view(len(once), rows, vectors, outputs)
    from .combined_triton import combined_triton

    return combined_triton(products, c_GSK, bias, x.new_empty(points, rows, outputs))


def _times(flat: Tensor, matrix: Tensor) -> Tensor:
    """Rows times a matrix [O, I], in float32 if narrow sums would be rounded before the coefficients apply."""
    if flat.device.type == "cuda" and flat.dtype.itemsize == 2:
        return torch.mm(flat, matrix.T, out_dtype=torch.float32)
    return flat @ matrix.T


def combined_torch(products_GRKO: Tensor, c_GSK: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    """`y[g, r, o] = sum_k c[g, o, k] products[g, r, k, o] + b[g, o]` by torch; the twin of `combined_triton`."""
    return _combined(products_GRKO.unbind(2), c_GSK, bias, dtype)


def _combined(products_GRO: Iterable[Tensor], c_GSK: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    pairs = zip(products_GRO, c_GSK[:, None].unbind(3), strict=True)
    product, c = next(pairs)
    y = product * c
    for product, c in pairs:
        y.addcmul_(product, c)
    if bias is not None:
        y += bias[:, None]
    return y.to(dtype)


def materialised(x: Tensor, basis: Tensor | Seeded, c_GSK: Tensor, bias: Tensor | None, backend: Chosen) -> Tensor:
    """The weights of all points, written in the dtype of x, and one product per point."""
    points, inputs = len(x), x.shape[2]
    flat = basis if isinstance(basis, Seeded) else basis.flatten(1)
    size = flat.shape[1]
    outputs = size // inputs if isinstance(basis, Seeded) else basis.shape[1]
    if backend == "triton":
        from .interpolate_triton import interpolate_triton as run
    else:
        run = interpolate_torch
    segments = _segments(outputs if c_GSK.shape[1] > 1 else 1, size, x.device)
    weights = run(flat, c_GSK, segments, x.new_empty(points, size)).view(points, outputs, inputs)
    return _multiplied(x, weights, bias)


def fused_torch(x: Tensor, basis: Tensor | Seeded, c_GSK: Tensor, bias: Tensor | None) -> Tensor:
    """The torch twin of `fused_triton`: the weights of one point at a time, rounded to the dtype of x."""
    made = [
        materialised(x[g : g + 1], basis, c_GSK[g : g + 1], None if bias is None else bias[g : g + 1], "torch")
        for g in range(len(x))
    ]
    return torch.cat(made)


def stacked(seeded: Seeded, dtype: torch.dtype, backend: Chosen) -> Tensor:
    """The vectors [K, P] of a seeded basis, in memory."""
    if backend == "triton":
        from .philox_triton import draw_triton as run
    else:
        run = draw_torch
    theta = seeded.theta.to(accumulation_dtype(seeded.dtype))
    made = torch.empty(seeded.shape, dtype=dtype, device=seeded.device)
    made[0] = theta
    for k in range(seeded.directions):
        drawn = run(torch.empty_like(theta), seeded.seed, k, seeded.first, seeded.distribution)
        made[k + 1] = drawn.mul_(theta) if seeded.weighted else drawn
    return made


def _multiplied(x: Tensor, weights_GOI: Tensor, bias: Tensor | None) -> Tensor:
    if bias is None:
        return torch.bmm(x, weights_GOI.mT)
    return torch.baddbmm(bias.to(x.dtype)[:, None], x, weights_GOI.mT)


@functools.lru_cache(maxsize=256)  # the tables of a cut that every call uses
def _segments(count: int, size: int, device: torch.device) -> Segments:
    """`size` entries in `count` rows of equal length."""
    if not size:
        return Segments(torch.zeros(count + 1, dtype=torch.int64, device=device))
    return Segments(torch.arange(0, size + 1, size // count)).to(device)
