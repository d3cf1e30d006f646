"""Custom kernels for loss landscapes: Gram matrices of segments, many points, random directions, linear layers.

Each operation exists twice with one signature: as a Triton kernel, and as a torch twin, which is the kernel's
reference, its CPU path and its documentation. `backend="auto"` uses Triton for tensors on a GPU and torch otherwise. A
named backend is used or refused, never replaced.

Imports torch, numpy and triton only. In the package this folder is `fastscape.kernels`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from . import _triton
from ._launch import Cost
from .backends import Backend, choose
from .gram import gram_cost, gram_torch
from .interpolate import interpolate_cost, interpolate_torch
from .perturbed_linear import Method, choose_method, method_for, perturbed_linear, perturbed_linear_cost
from .philox import STREAMS, Distribution, check, draw_torch
from .seeded import Seeded
from .segments import Run, Segments

__all__ = [
    "Backend",
    "Cost",
    "Distribution",
    "Method",
    "Run",
    "Seeded",
    "Segments",
    "choose",
    "choose_method",
    "draw",
    "gram",
    "gram_cost",
    "interpolate",
    "interpolate_cost",
    "method_for",
    "perturbed_linear",
    "perturbed_linear_cost",
]

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def draw(
    out: Tensor,
    seed: int,
    stream: int = 0,
    *,
    start: int = 0,
    distribution: Distribution = "normal",
    backend: Backend = "auto",
) -> Tensor:
    """Independent random numbers, each a function of only the seed, the stream and its place.

    Entry n is computed by Philox4x32-10 from the counter `((start + n) // 4, stream)` under the key `seed`, whatever
    the device and the number of entries drawn at once; see `fastscape.kernels.philox`.

    Args:
        out: Where to write the numbers [N], contiguous, float64, float32, bfloat16 or float16.
        seed: From 0 to 2^64 - 1.
        stream: From 0 to 2^32 - 1; the streams of a seed are disjoint. Default 0.
        start: The first entry, counted in the stream. Default 0.
        distribution: "normal", standard normal; "uniform", in [0, 1); "rademacher", -1 or 1. Default "normal".
        backend: See `choose`. Default "auto".

    Returns:
        `out`.

    Raises:
        ValueError: When `out` is not such a vector, a number is out of its range, or a name is unknown.

    Example:
        >>> import torch
        >>> from fastscape.kernels import draw
        >>> whole, part = draw(torch.empty(1000), seed=7), draw(torch.empty(10), seed=7, start=500)
        >>> torch.equal(whole[500:510], part)
        True

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    if out.dim() != 1 or out.dtype not in _DTYPES or not out.is_contiguous():
        raise ValueError(
            f"out must be one contiguous floating-point vector [N], got {out.dtype} of shape {tuple(out.shape)}"
        )
    check(seed, distribution)
    for name, value, end in (("stream", stream, STREAMS), ("start", start, 1 << 63)):
        if not 0 <= value < end:
            raise ValueError(f"{name} must be an integer from 0 to {end - 1}, got {value}")
    if choose(out.device, backend) == "triton":
        from .philox_triton import draw_triton as run
    else:
        run = draw_torch
    with _triton.current(out.device):
        return run(out, seed, stream, start, distribution)


def gram(basis: Tensor | Seeded, segments: Segments, *, backend: Backend = "auto") -> Tensor:
    """Segment Gram matrices `M[s, k, l] = sum over p in s of B[k, p] B[l, p]`, in one read of the basis.

    Args:
        basis: Vectors [K, P], float64, float32, bfloat16 or float16, each contiguous; or a `Seeded` basis.
        segments: The cut of the P entries into S segments.
        backend: See `choose`. Default "auto".

    Returns:
        Gram matrices [S, K, K], float64, on the device of the basis; 0 for an empty segment.

    Raises:
        ValueError: When shapes or dtypes are invalid, or the backend is unknown.

    Example:
        >>> import torch
        >>> from fastscape.kernels import Segments, gram
        >>> gram(torch.tensor([[3.0, 4.0, 2.0]]), Segments(torch.tensor([0, 2, 3]))).flatten().tolist()
        [25.0, 4.0]
    """
    _check_basis(basis, segments)
    if choose(basis.device, backend) == "triton":
        from .gram_triton import gram_triton as run
    else:
        run = gram_torch
    with _triton.current(basis.device):
        return run(basis, segments.to(basis.device))


def interpolate(
    basis: Tensor | Seeded,
    coefficients: Tensor,
    segments: Segments,
    *,
    out: Tensor | None = None,
    backend: Backend = "auto",
) -> Tensor:
    """Points `w[g, p] = sum_k c[g, s(p), k] B[k, p]`, in one read of the basis.

    Args:
        basis: Vectors [K, P], float64, float32, bfloat16 or float16, each contiguous; or a `Seeded` basis.
        coefficients: [G, S, K], or [G, 1, K] when all segments share them; rounded to float64 for a float64
            basis and to float32 otherwise, which is also the precision of the sum.
        segments: The cut of the P entries into S segments.
        out: Where to write the points [G, P], each point contiguous, on the device of the basis; its dtype is the
            dtype of the basis, or a narrower dtype to which the sums are rounded. None for new memory of the basis's
            dtype. It may be the basis itself when G = K = 1: the vector is then scaled in place.
        backend: See `choose`. Default "auto".

    Returns:
        Points [G, P]: `out`, if it was given.

    Raises:
        ValueError: When shapes, dtypes or devices do not match, when `out` overlaps the basis, or the backend is
            unknown.

    Example:
        >>> import torch
        >>> from fastscape.kernels import Segments, interpolate
        >>> theta_and_d = torch.tensor([[1.0, 2.0], [10.0, 20.0]])
        >>> interpolate(theta_and_d, torch.tensor([[[1.0, 0.5]]]), Segments.single(2)).tolist()
        [[6.0, 12.0]]
    """
    _check_basis(basis, segments)
    vectors, size = basis.shape
    if coefficients.dim() != 3 or coefficients.shape[1] not in (1, segments.count) or coefficients.shape[2] != vectors:
        raise ValueError(
            f"coefficients must have shape [G, {segments.count} or 1, {vectors}], got {tuple(coefficients.shape)}"
        )
    points = coefficients.shape[0]
    if out is None:
        out = torch.empty(points, size, dtype=basis.dtype, device=basis.device)
    elif (
        out.shape != (points, size)
        or out.device != basis.device
        or out.dtype not in _DTYPES
        or out.dtype.itemsize > basis.dtype.itemsize
    ):
        raise ValueError(
            f"out must be {basis.dtype} {(points, size)} on {basis.device}, got {out.dtype} {tuple(out.shape)} on "
            f"{out.device}"
        )
    elif size > 1 and out.stride(1) != 1:
        raise ValueError("out must hold each point contiguously; give torch.empty(G, P) or rows of one")
    elif out.numel() and _overlaps(out, basis):
        raise ValueError("out shares memory with the basis, which is read while out is written; give new memory")
    if choose(basis.device, backend) == "triton":
        from .interpolate_triton import interpolate_triton as run
    else:
        run = interpolate_torch
    with _triton.current(basis.device):
        return run(basis, coefficients.to(basis.device), segments.to(basis.device), out)


def _overlaps(out: Tensor, basis: Tensor | Seeded) -> bool:
    """Whether writing `out` changes entries that are still to be read; a vector may be scaled in place."""
    if isinstance(basis, Seeded):
        return out.untyped_storage().data_ptr() == basis.theta.untyped_storage().data_ptr()
    shared = out.untyped_storage().data_ptr() == basis.untyped_storage().data_ptr()
    return shared and not (len(out) == len(basis) == 1 and out.data_ptr() == basis.data_ptr())


def _check_basis(basis: Tensor | Seeded, segments: Segments) -> None:
    if len(basis.shape) != 2 or basis.dtype not in _DTYPES:
        raise ValueError(
            f"basis must be a floating-point [K, P], got {basis.dtype} of shape {tuple(basis.shape)}: stack the "
            "flattened vectors with torch.stack"
        )
    if isinstance(basis, Tensor) and basis.shape[1] > 1 and basis.stride(1) != 1:
        raise ValueError("each vector of the basis must be contiguous; write basis.contiguous()")
    if basis.shape[1] != segments.size:
        raise ValueError(f"the basis has {basis.shape[1]} entries a vector, but the segments cover {segments.size}")
