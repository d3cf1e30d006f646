"""A linear layer at many points of weight space, without storing weights per point.

    y[g, r, o] = sum_i x[g, r, i] W[g, o, i] + b[g, o],    W[g, o, i] = sum_k c[g, o, k] B[k, o, i]

Shapes: x_GRI [G, R, I], basis_KOI [K, O, I] or `Seeded` of the O I entries row by row, coefficients_GSK
[G, 1 or O, K], bias_GO [G, O], y_GRO [G, R, O].

Three methods give the same numbers to rounding:

- "shared": all points are multiplied by the K matrices of the basis, stacked, in one product, and the coefficients
  combine the K results. Nothing has the size of the weights; the arithmetic is K-fold. For few rows per point.
- "fused": a kernel reads a tile of the basis once, forms the weights of several points in registers, and feeds the
  matrix unit with them. For a medium number of rows.
- "materialised": the weights of all points are written (`interpolate`) and multiplied, point by point. For many rows.

Sums are float32 (float64 for float64). "fused" and "materialised" round W to the dtype of x. "shared" never forms W,
and rounds the basis to the dtype of x if the basis is wider.

Source: the linear form of weights in a plane (Li et al. 2018, arXiv 1712.09913, section 3.2), and the linearity of a
layer in its weights. A tile of weights that is formed in registers feeds the matrix unit as in products with quantised
weights.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from . import _triton
from ._launch import Cost, fused_launch
from ._linear_methods import fused_torch, materialised, shared
from .backends import Backend, choose
from .philox import FLOPS
from .seeded import Seeded

__all__ = ["Method", "choose_method", "method_for", "perturbed_linear", "perturbed_linear_cost"]

Method = Literal["auto", "shared", "fused", "materialised"]

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
FUSED_VECTORS = 3  # most vectors in the basis, whose tiles stay in registers


class Crossovers(NamedTuple):
    """Rows per point up to which a method is the fastest: "shared", then "fused", then "materialised".

    Args:
        shared: The most rows for which "shared" is faster than "fused".
        fused: The most rows for which "fused" is faster than "materialised".
        without: The most rows for which "shared" is faster than "materialised", if "fused" cannot run.
    """

    shared: int
    fused: int
    without: int


# Measured on an H100 (torch 2.11, triton 3.6) at 16 points: where the times of two methods cross, interpolated on
# logarithmic axes between the timed numbers of rows, as the geometric mean of layers of 4096 x 4096 and 1024 x 1024.
# Measured on a CPU by benchmarks.products. float16 is assumed to equal bfloat16. float64 is calculated: with F
# operations and B bytes per second and s bytes per weight, a weight and point costs 2 K R / F by "shared" and max(2 R
# / F, s / B) + s / B by "materialised". These are equal at R = s F / 3 B for K = 3. In float32 without TF32 "fused"
# has no matrix unit, and is never the fastest.
CROSSOVERS = {
    "bfloat16": Crossovers(80, 384, 160),
    "float16": Crossovers(80, 384, 160),
    "tf32": Crossovers(40, 320, 200),
    "float32": Crossovers(36, 36, 36),
    "float64": Crossovers(48, 48, 48),
    "cpu": Crossovers(12, 12, 12),
}
"""The crossovers by the arithmetic of a GPU, and for any arithmetic on a CPU."""


def choose_method(
    rows: float, dtype: torch.dtype, device: torch.device, *, fused: bool = True
) -> Literal["shared", "fused", "materialised"]:
    """The fastest method for a number of rows per point, by a fixed table.

    Args:
        rows: Rows of x per point. If all points have the same x: the rows of all points, divided by their number.
        dtype: Dtype of x.
        device: Device of x.
        fused: Whether "fused" can run. Default True.

    Returns:
        "shared", "fused" or "materialised".

    Example:
        >>> import torch
        >>> from fastscape.kernels import choose_method
        >>> [choose_method(rows, torch.float32, torch.device("cpu")) for rows in (1, 500)]
        ['shared', 'materialised']
    """
    if device.type != "cuda":
        found = CROSSOVERS["cpu"]
    elif dtype == torch.float32 and _triton.tf32():
        found = CROSSOVERS["tf32"]
    else:
        found = CROSSOVERS[str(dtype).removeprefix("torch.")]
    if rows <= (found.shared if fused else found.without):
        return "shared"
    return "fused" if fused and rows <= found.fused else "materialised"


def method_for(
    rows: float, x: Tensor, basis: Tensor | Seeded, *, backend: Backend = "auto"
) -> Literal["shared", "fused", "materialised"]:
    """The method that "auto" uses for a basis: the result of `choose_method`, if this method can run.

    Args:
        rows: As for `choose_method`.
        x: Inputs [..., I]; only dtype, device and length are used.
        basis: As for `perturbed_linear`.
        backend: See `choose`. Default "auto".

    Returns:
        "shared", "fused" or "materialised".

    Example:
        >>> import torch
        >>> from fastscape.kernels import method_for
        >>> method_for(1, torch.ones(1, 4), torch.ones(3, 2, 4))
        'shared'
    """
    chosen = choose(x.device, backend)
    able = not _refusal(x, basis, chosen) and chosen == "triton" and x.shape[-1] % 16 == 0  # its accesses are wide
    method = choose_method(rows, x.dtype, x.device, fused=able)
    if isinstance(basis, Seeded):
        return "materialised"  # it draws a tile once, and "fused" draws it for every four points and tile of rows
    if method == "shared" and basis.dtype != x.dtype:
        return "fused" if able else "materialised"  # else the stacked matrices would be made at each call
    return method


def perturbed_linear(
    x: Tensor,
    basis: Tensor | Seeded,
    coefficients: Tensor,
    bias: Tensor | None = None,
    *,
    method: Method = "auto",
    backend: Backend = "auto",
) -> Tensor:
    """`y[g] = x[g] W[g]^T + b[g]` with `W[g, o] = sum_k c[g, o, k] B[k, o]`: a linear layer at G points.

    Args:
        x: Inputs [G, R, I], float64, float32, bfloat16 or float16. If all points have the same inputs, pass
            `x.expand(G, R, I)`: "shared" then multiplies them once.
        basis: Matrices [K, O, I], each contiguous, in the dtype of x or a wider one; or a `Seeded` basis of the O I
            entries, row by row.
        coefficients: [G, O, K], or [G, 1, K] when all rows of a matrix share them; rounded to float64 for a float64
            basis and to float32 otherwise.
        bias: [G, O]. Default None.
        method: "shared", "fused" or "materialised"; "auto" chooses by `choose_method`, and "materialised" for a seeded
            basis. "fused" takes at most three matrices. As a Triton kernel it takes no float64, and only seeded rows
            whose length is a multiple of 4.
        backend: See `choose`. Default "auto".

    Returns:
        Outputs [G, R, O] in the dtype of x.

    Raises:
        ValueError: When shapes, dtypes or devices do not match, or the method does not support such a basis.
        RuntimeError: When Triton was named and cannot run on this device.

    Example:
        >>> import torch
        >>> from fastscape.kernels import perturbed_linear
        >>> theta_and_d = torch.tensor([[[1.0, 2.0]], [[10.0, 20.0]]])  # one row of two weights
        >>> perturbed_linear(torch.ones(2, 1, 2), theta_and_d, torch.tensor([[[1.0, 0.0]], [[1.0, 0.5]]])).tolist()
        [[[3.0]], [[18.0]]]
    """
    outputs = _checked(x, basis, coefficients, bias)
    if method not in ("auto", "shared", "fused", "materialised"):
        raise ValueError(f"method must be 'auto', 'shared', 'fused' or 'materialised', got {method!r}")
    chosen = choose(x.device, backend)
    refusal = _refusal(x, basis, chosen)
    if method == "fused" and refusal:
        raise ValueError(f"method='fused' {refusal}; write method='auto', 'shared' or 'materialised'")
    if method == "auto":
        rows = x.shape[1] / max(len(x), 1) if _same(x) else x.shape[1]
        method = method_for(rows, x, basis, backend=chosen)
    c = coefficients.to(x.device, torch.float64 if basis.dtype == torch.float64 else torch.float32).contiguous()
    with _triton.current(x.device):
        if not len(x) * x.shape[1] * outputs:
            return x.new_empty(len(x), x.shape[1], outputs)
        if method == "shared":
            return shared(x, basis, c, bias, chosen)
        if method == "materialised":
            return materialised(x, basis, c, bias, chosen)
        if chosen == "torch":
            return fused_torch(x, basis, c, bias)
        from .perturbed_linear_triton import fused_triton

        return fused_triton(x, basis, c, bias)


def perturbed_linear_cost(
    x: Tensor, basis: Tensor | Seeded, coefficients: Tensor, method: Literal["shared", "fused", "materialised"]
) -> Cost:
    """Bytes and flops of a method on these arguments, without the savings of a cache.

    Args:
        x: Inputs [G, R, I].
        basis: Matrices [K, O, I], or seeded.
        coefficients: [G, 1 or O, K].
        method: The method.

    Returns:
        The cost: with R large, 2 G R I O flops, K-fold for "shared"; with R small, the reading of the basis.
    """
    points, rows, inputs = x.shape
    outputs, vectors = _outputs(x, basis), coefficients.shape[2]
    size, itemsize = outputs * inputs, x.element_size()
    own = itemsize * points * rows  # bytes of one feature of x or y
    stored, drawn = vectors * size * basis.dtype.itemsize, 0
    if isinstance(basis, Seeded):
        stored, drawn = size * basis.dtype.itemsize, basis.directions * size * FLOPS[basis.distribution]
    product = 2 * points * rows * size
    coefs = coefficients.numel() * 4
    if method == "shared":
        once = rows if _same(x) else points * rows
        between = once * vectors * outputs * (8 if x.dtype == torch.float64 else 4)
        return Cost(
            stored + once * inputs * itemsize + between + coefs,
            between + own * outputs,
            2 * vectors * once * size + 2 * vectors * points * rows * outputs + drawn,
        )
    if method == "materialised":
        weights = points * size * itemsize
        formed = 2 * vectors * points * size
        return Cost(stored + weights + own * inputs + coefs, weights + own * outputs, product + formed + drawn)
    launch = fused_launch(rows, points, x.dtype, even=inputs % 32 == 0)
    tiles, groups = -(-rows // launch.rows), -(-points // launch.points)
    times = tiles * groups  # number of times that a tile of the basis is read, or drawn
    formed = 2 * vectors * points * size * tiles
    read = stored * times + own * inputs * -(-outputs // launch.outputs) + coefs * tiles
    return Cost(read, own * outputs, product + formed + drawn * times)


def _same(x: Tensor) -> bool:
    """Whether all points have the same inputs, by the layout of memory."""
    return len(x) > 1 and x.stride(0) == 0


def _outputs(x: Tensor, basis: Tensor | Seeded) -> int:
    """O: a seeded basis is flat, and O follows from its size."""
    return basis.shape[1] // max(x.shape[2], 1) if isinstance(basis, Seeded) else basis.shape[1]


def _refusal(x: Tensor, basis: Tensor | Seeded, backend: Literal["torch", "triton"]) -> str:
    """Why "fused" does not support these arguments; "" if it does."""
    vectors = basis.shape[0]
    if vectors > FUSED_VECTORS:
        return f"takes at most {FUSED_VECTORS} matrices, and {vectors} came"
    if backend == "torch":
        return ""
    if torch.float64 in (x.dtype, basis.dtype):
        return "has no Triton kernel for float64"
    if isinstance(basis, Seeded) and x.shape[-1] % 4:
        return f"takes seeded rows whose length is a multiple of 4, and rows of {x.shape[-1]} came"
    return ""


def _checked(x: Tensor, basis: Tensor | Seeded, coefficients: Tensor, bias: Tensor | None) -> int:
    """Refuses arguments that do not match; returns O."""
    if x.dim() != 3 or x.dtype not in _DTYPES:
        raise ValueError(f"x must be floating-point inputs [G, R, I], got {x.dtype} of shape {tuple(x.shape)}")
    points, _, inputs = x.shape
    if isinstance(basis, Seeded):
        fits = inputs > 0 and basis.shape[1] % inputs == 0
        wanted = f"theta with the entries of [O, {inputs}], row by row, and I > 0"
    else:
        fits = basis.dim() == 3 and len(basis) > 0 and basis.shape[2] == inputs
        wanted = f"[K, O, {inputs}] with K > 0"
    if not fits:
        raise ValueError(f"basis must have shape {wanted}, got {tuple(basis.shape)}")
    narrower = basis.dtype.itemsize <= x.dtype.itemsize
    if basis.dtype not in _DTYPES or (basis.dtype != x.dtype and narrower) or basis.device != x.device:
        raise ValueError(
            f"basis must be {x.dtype}, as x, or a wider one, on {x.device}, got {basis.dtype} on {basis.device}"
        )
    outputs = _outputs(x, basis)
    if isinstance(basis, Tensor) and basis.numel() and not basis[0].is_contiguous():
        raise ValueError("each matrix of the basis must be contiguous; write basis.contiguous()")
    vectors = basis.shape[0]
    if coefficients.dim() != 3 or coefficients.shape not in ((points, 1, vectors), (points, outputs, vectors)):
        raise ValueError(
            f"coefficients must have shape [{points}, {outputs} or 1, {vectors}], got {tuple(coefficients.shape)}"
        )
    if bias is not None and (bias.shape != (points, outputs) or bias.device != x.device):
        raise ValueError(
            f"bias must have shape {(points, outputs)} on {x.device}, got {tuple(bias.shape)} on {bias.device}"
        )
    return outputs
