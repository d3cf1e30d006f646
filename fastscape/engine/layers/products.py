"""Computes linear layers of many points as products with the vectors of the basis, which all points share.

    y_g = x_g (sum_k c_gk B_k)^T + b_g

Shapes: x [G, R, I], the rows of each point; B [K, O, I]; c [G, K], or [G, O, K] when each filter has its own;
b [G, O]; y [G, R, O].

`hoisting` computes layers whose input is the same at every point. Here the input differs, so every point has its own
product. The weights of the points need not be in memory for it, see `fastscape.kernels.perturbed_linear`. A
convolution whose kernel is one pixel is the same product, with a row for each pixel that it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fastscape.engine.layers.parts import Part
from fastscape.engine.plan import Plan
from fastscape.kernels import Backend, Method, Seeded, method_for, perturbed_linear

__all__ = ["LAYERS", "given_to", "multiplied"]

_CONVOLUTIONS: dict[Any, int] = {torch.conv1d: 1, torch.conv2d: 2, torch.conv3d: 3}
"""Convolutions, with the number of dimensions of an image."""

_OF_A_LAYER = "input", "weight", "bias"

LAYERS: dict[Any, tuple[str, ...]] = {
    F.linear: _OF_A_LAYER,
    torch.addmm: ("bias", "input", "weight"),
    **dict.fromkeys(_CONVOLUTIONS, (*_OF_A_LAYER, "stride", "padding", "dilation", "groups")),
}
"""Functions that may be computed as such a product, with the names of their arguments."""


def given_to(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function of `LAYERS`, by name."""
    return {**dict(zip(LAYERS[func], args, strict=False)), **kwargs}


def multiplied(func: Any, given: Mapping[str, Any], part: Part, coefficients: Tensor, plan: Plan) -> Tensor | None:
    """The output of a layer at one point, inside vmap.

    Args:
        func: A function of `LAYERS`.
        given: Its arguments by name, see `given_to`.
        part: The rows of the basis for its weight.
        coefficients: Of the point: [K], or [filters, K].
        plan: How products are computed, and by which kernels.

    Returns:
        The output; None if torch has to compute the layer.
    """
    inputs, matrices = given.get("input"), part.matrices
    if plan.products == "materialised" or matrices is None or not _is_plain(inputs, coefficients, part.dtype):
        return None
    rows = _rows(func, given, part)
    if rows is None or not rows.numel():
        return None
    count = rows.numel() // rows.shape[-1]
    method: Method = plan.products
    if method == "auto":
        method = method_for(count, rows, matrices, backend=plan.kernels)
    if method == "materialised":
        return None
    flat, bias = rows.reshape(count, -1), given.get("bias")
    made = _Product.apply(flat, matrices, coefficients, bias, method, plan.kernels)
    made = made.reshape(*rows.shape[:-1], made.shape[-1])
    # A model may assume that the output of a convolution is contiguous.
    return made.movedim(-1, 1).contiguous() if func in _CONVOLUTIONS else made


def _is_plain(inputs: Any, coefficients: Tensor, dtype: torch.dtype) -> bool:
    """Whether an input depends on the point as the weight does, without gradients, autocast or other transforms."""
    functorch = torch._C._functorch
    if not isinstance(inputs, Tensor) or not functorch.is_batchedtensor(inputs) or inputs.dtype != dtype:
        return False
    # A model that differentiates, or uses vmap itself, has different levels than the points.
    level = functorch.maybe_current_level()
    if not functorch.maybe_get_level(inputs) == functorch.maybe_get_level(coefficients) == level:
        return False
    inner = functorch.get_unwrapped(inputs)
    if functorch.is_functorch_wrapped_tensor(inner) or inner.layout != torch.strided:
        return False
    differentiated = torch.is_grad_enabled() or torch.autograd.forward_ad._current_level >= 0
    return not differentiated and not torch.is_autocast_enabled(inner.device.type)


def _rows(func: Any, given: Mapping[str, Any], part: Part) -> Tensor | None:
    """The rows [..., I] that a layer multiplies with a matrix; None if it is no product, or torch must refuse it."""
    inputs, bias, dims = given["input"], given.get("bias"), _CONVOLUTIONS.get(func, 0)
    filters, features = part.shape[::-1] if part.transposed else part.shape[:2]
    if part.transposed != (func is torch.addmm) or len(part.shape) != dims + 2 or given.keys() - set(LAYERS[func]):
        return None
    if bias is not None and (not isinstance(bias, Tensor) or bias.shape != (filters,) or bias.dtype != part.dtype):
        return None
    if dims:
        inputs = _pixels(inputs, given, dims)
    elif inputs.dim() == 0 or (func is torch.addmm and inputs.dim() != 2):
        return None
    return inputs if inputs is not None and inputs.shape[-1] == features else None


def _pixels(images: Tensor, given: Mapping[str, Any], dims: int) -> Tensor | None:
    """The pixels [n, *places, c] that a convolution with a kernel of one pixel reads; None if it is no product."""
    strides, padding = given.get("stride", 1), given.get("padding", 0)
    strides = (strides,) * dims if isinstance(strides, int) else tuple(strides)
    padded = padding not in (0, "valid") if isinstance(padding, int | str) else any(padding)
    if images.dim() != dims + 2 or len(strides) != dims or padded or given.get("groups", 1) != 1:
        return None
    for dim, stride in enumerate(strides, start=2):
        images = images[(slice(None),) * dim + (slice(None, None, stride),)]
    return images.movedim(1, -1)


class _Product(torch.autograd.Function):
    """The product of one point, and under vmap of all points at once. It has no derivative."""

    @staticmethod
    def forward(
        rows: Tensor,
        basis: Tensor | Seeded,
        coefficients: Tensor,
        bias: Tensor | None,
        method: Method,
        backend: Backend,
    ) -> Tensor:
        own = None if bias is None else bias[None]
        c = coefficients.reshape(1, -1, coefficients.shape[-1])
        return perturbed_linear(rows[None], basis, c, own, method=method, backend=backend)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keeps nothing; torch requires this method of a function under vmap."""

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        rows: Tensor,
        basis: Tensor | Seeded,
        coefficients: Tensor,
        bias: Tensor | None,
        method: Method,
        backend: Backend,
    ) -> tuple[Tensor, int]:
        given = (rows, in_dims[0]), (coefficients, in_dims[2]), (bias, in_dims[3])
        x, c, b = (_first(tensor, dim, info.batch_size) for tensor, dim in given)
        c = c[:, None] if c.dim() == 2 else c
        return perturbed_linear(x, basis, c, b, method=method, backend=backend), 0


def _first(tensor: Any, dim: int | None, count: int) -> Any:
    """A tensor with the points along its first dimension; expanded if all points share it."""
    if tensor is None:
        return None
    return tensor.expand(count, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
