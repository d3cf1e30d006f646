"""Schemes: ways of walking through weight space, as pure functions of Gram matrices and grid coordinates.

Shapes: gram_SKK [S, K, K], float64, the Gram matrices of the segments of a basis (theta, d1, d2), or (theta, d) on a
line; alpha_G, beta_G [G], the coordinates of G points; coefficients [G, S or 1, K] of w = sum_k c_k B_k.

n(v) is v with every segment scaled to the norm of theta's segment. As ||sum_k a_k B_k||^2 = a^T M a, its factor
follows from the Gram matrix M. If the parts of v nearly cancel, to a fraction r of the sum of their norms, the factor
has a relative error below 2e-16 / r^2. For an error of 1e-10 against the norm of v itself, r must be above 1.5e-3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from fastscape.weights.forward_mode import differentiating

__all__ = [
    "LINES",
    "SURFACES",
    "Coefficients",
    "Scheme",
    "barycentric",
    "bilinear",
    "line",
    "linear2x",
    "plane",
    "schemes_of",
]

Coefficients: TypeAlias = Callable[..., Tensor]


class Scheme(NamedTuple):
    """A map from coordinates to points of weight space.

    Args:
        coefficients: `(gram, alpha, beta) -> c[G, S or 1, K]`, or `(gram, alpha)` on a line.
        normalize: The norm of random directions if the user names none. Default "filter".
        over: The segments of `gram`: "filter", or "layer" for whole tensors. Default "filter".
        axes: Number of coordinates, if it differs from the number of combined directions, as on a curve through
            several models. Default: one per direction.

    Example:
        >>> import torch, fastscape
        >>> def circle(gram, alpha, beta):  # alpha is a radius, beta an angle
        ...     ones = torch.ones_like(alpha)
        ...     return torch.stack([ones, alpha * beta.cos(), alpha * beta.sin()], dim=-1)[:, None, :]
        >>> model, data = torch.nn.Linear(4, 3), (torch.rand(20, 4), torch.randint(3, (20,)))
        >>> landscape = fastscape.surface(model, data, x=(0, 1, 3), y=(0, 6.28, 5), scheme=circle)
        >>> bool((landscape.loss[0] == landscape.loss[0, 0]).all())
        True
    """

    coefficients: Coefficients
    normalize: str = "filter"
    over: Literal["filter", "layer"] = "filter"
    axes: int | None = None


def plane(gram: Tensor, *coordinates: Tensor) -> Tensor:
    """Coefficients of `w = theta + alpha d1 + beta d2`, or of such a sum with one direction, or with more than two.

    Args:
        gram: Gram matrices [S, K, K]; the plane does not need them.
        *coordinates: alpha [G] and beta [G], along d1 and d2; one per direction.

    Returns:
        Coefficients [G, 1, K].

    Example:
        >>> import torch
        >>> from fastscape.weights.schemes import plane
        >>> plane(torch.zeros(1, 3, 3), torch.tensor([0.5]), torch.tensor([-1.0])).tolist()
        [[[1.0, 0.5, -1.0]]]

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2; along a line Goodfellow et al. 2015, arXiv 1412.6544.
    """
    return _stack(torch.ones_like(coordinates[0]), *coordinates)


def linear2x(gram: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Coefficients of `psi = alpha d1 + (1 - alpha) theta; w = beta d2 + (1 - beta) n(psi)`.

    Args:
        gram: Gram matrices [S, 3, 3]; n is over their segments.
        alpha: Coordinates [G] along d1.
        beta: Coordinates [G] along d2.

    Returns:
        Coefficients [G, S, 3].

    Example:
        >>> import torch
        >>> from fastscape.weights.schemes import linear2x
        >>> alpha, beta = torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> linear2x(4 * torch.eye(3)[None], alpha, beta)[:, 0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Source: Luciani, Huang & Danisch, "Efficient Neural Network Loss Landscape Generation", `linear2x`.
    """
    psi = _stack(1 - alpha, alpha, torch.zeros_like(alpha))
    return (1 - beta)[:, None, None] * _normed(gram, psi) + _along(2, beta)


def barycentric(gram: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Coefficients of `w = alpha n(phi) + (1 - beta) n(psi)`; `phi` and `psi` are on the lines to d1 and to d2.

    `phi = alpha (d1 - theta) + theta` and `psi = beta (d2 - theta) + theta`.

    Args:
        gram: Gram matrices [S, 3, 3]; n is over their segments.
        alpha: Coordinates [G] along d1.
        beta: Coordinates [G] along d2.

    Returns:
        Coefficients [G, S, 3].

    Example:
        >>> import torch
        >>> from fastscape.weights.schemes import barycentric
        >>> alpha, beta = torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> barycentric(4 * torch.eye(3)[None], alpha, beta)[:, 0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]

    Source: Luciani, Huang & Danisch, "Efficient Neural Network Loss Landscape Generation", `barycentric`.
    """
    zero = torch.zeros_like(alpha)
    phi, psi = _stack(1 - alpha, alpha, zero), _stack(1 - beta, zero, beta)
    return alpha[:, None, None] * _normed(gram, phi) + (1 - beta)[:, None, None] * _normed(gram, psi)


def bilinear(gram: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Coefficients of `phi = alpha n(d1) + (1 - alpha) theta; w = beta n(d2) + (1 - beta) n(phi)`.

    Args:
        gram: Gram matrices [S, 3, 3]; n is over their segments.
        alpha: Coordinates [G] along d1.
        beta: Coordinates [G] along d2.

    Returns:
        Coefficients [G, S, 3].

    Example:
        >>> import torch
        >>> from fastscape.weights.schemes import bilinear
        >>> alpha, beta = torch.tensor([0.0, 0.0]), torch.tensor([0.0, 1.0])
        >>> bilinear(4 * torch.eye(3)[None], alpha, beta)[:, 0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

    Source: the notebook "Navigating Through Loss Space", `pw_2d_bilinear`.
    """
    phi = _along(0, 1 - alpha) + alpha[:, None, None] * _normed(gram, _along(1, torch.ones_like(alpha)))
    normed_d2 = _normed(gram, _along(2, torch.ones_like(beta)))
    return beta[:, None, None] * normed_d2 + (1 - beta)[:, None, None] * _normed(gram, phi)


def line(gram: Tensor, alpha: Tensor) -> Tensor:
    """Coefficients of `w = (1 - alpha) theta + alpha n(d)`.

    Args:
        gram: Gram matrices [S, 2, 2]; n is over their segments.
        alpha: Coordinates [G] along d.

    Returns:
        Coefficients [G, S, 2].

    Example:
        >>> import torch
        >>> from fastscape.weights.schemes import line
        >>> line(torch.diag(torch.tensor([4.0, 1.0]))[None], torch.tensor([0.0, 0.5]))[:, 0].tolist()
        [[1.0, 0.0], [0.5, 1.0]]

    Source: the notebook "Navigating Through Loss Space", `perturbweights`.
    """
    to = _normed(gram, _stack(torch.zeros_like(alpha), torch.ones_like(alpha)))
    return _stack(1 - alpha, torch.zeros_like(alpha)) + alpha[:, None, None] * to


SURFACES = {
    "plane": Scheme(plane),
    "linear2x": Scheme(linear2x, over="layer"),
    "barycentric": Scheme(barycentric),
    "bilinear": Scheme(bilinear, normalize="none", over="layer"),
}
"""Schemes of two coordinates."""

LINES = {"line": Scheme(line, normalize="none", over="layer"), "plane": Scheme(plane)}
"""Schemes of one coordinate."""


def schemes_of(axes: int) -> Mapping[str, Scheme]:
    """The named schemes.

    Args:
        axes: Number of coordinates.

    Returns:
        Schemes by name: `LINES`, `SURFACES`, or for more than two coordinates the sum alone.
    """
    return {1: LINES, 2: SURFACES}.get(axes, {"plane": SURFACES["plane"]})


def _stack(*parts: Tensor) -> Tensor:
    """Coefficients [G, 1, K] from one vector [G] for each basis vector."""
    return torch.stack(parts, dim=-1)[:, None, :]


def _along(k: int, value: Tensor) -> Tensor:
    """Coefficients [G, 1, 3]: `value` [G] for basis vector k, 0 for the other vectors."""
    return _stack(*(value if j == k else torch.zeros_like(value) for j in range(3)))


def _normed(gram_SKK: Tensor, a_GSK: Tensor) -> Tensor:
    """The coefficients [G, S, K] of n(v) for v = sum_k a_k B_k; 0 in a segment in which v or theta is 0."""
    a_GSK = a_GSK.expand(-1, len(gram_SKK), -1)
    # Rounding can bring the square of a nearly cancelled norm below 0; it then counts as 0.
    square = torch.einsum("gsk,skl,gsl->gs", a_GSK, gram_SKK, a_GSK)
    if not differentiating():
        return a_GSK * torch.where(square > 0, (gram_SKK[:, 0, 0] / square).sqrt(), 0.0)[:, :, None]
    theta = gram_SKK[:, 0, 0].expand_as(square)
    scaled = (square > 0) & (theta > 0)
    # sqrt has no derivative at 0, so it never sees a 0, even if its result is discarded.
    factor = torch.where(scaled, theta / torch.where(scaled, square, 1.0), 1.0).sqrt()
    jumps = (square <= 0) & (theta > 0)
    # There n(v) jumps, unless v is 0 along the whole way: it has a value, but its derivatives are NaN.
    at_zero = torch.where(jumps, square, 1.0).clamp(min=0).sqrt() * 0.0
    return a_GSK * torch.where(scaled, factor, torch.where(jumps, at_zero, 0.0))[:, :, None]
