"""Schemes and norms: pure functions of Gram matrices and grid coordinates.

Shapes: gram_SKK [S, K, K], float64, the Gram matrices of the segments of a basis B = (theta, d1, d2);
alpha_G, beta_G [G], the coordinates of G points; coefficients [G, S or 1, K] of w = sum_k c_k B_k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NORMS", "SCHEMES", "Scheme", "check_norm", "cosine", "directions_first", "plane", "rescaled"]


class Scheme(NamedTuple):
    """A way of walking through weight space.

    Args:
        coefficients: `(gram, alpha, beta) -> c[G, S or 1, K]`.
        normalize: The norm that the directions get first, when the user names none.
    """

    coefficients: Callable[[Tensor, Tensor, Tensor], Tensor]
    normalize: str


def plane(gram: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Coefficients of `w = theta + alpha d1 + beta d2`.

    Args:
        gram: Gram matrices [S, 3, 3]; the plane does not need them.
        alpha: Coordinates [G] along d1.
        beta: Coordinates [G] along d2.

    Returns:
        Coefficients [G, 1, 3].

    Example:
        >>> import torch
        >>> from fastscape.schemes import plane
        >>> plane(torch.zeros(1, 3, 3), torch.tensor([0.5]), torch.tensor([-1.0])).tolist()
        [[[1.0, 0.5, -1.0]]]

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2.
    """
    return torch.stack([torch.ones_like(alpha), alpha, beta], dim=-1)[:, None, :]


SCHEMES = {"plane": Scheme(plane, normalize="filter")}

NORMS = ("filter", "layer", "none")


def check_norm(normalize: str) -> None:
    """Refuses what is no norm.

    Args:
        normalize: One of `NORMS`.

    Raises:
        ValueError: When it is something else.
    """
    if normalize not in NORMS:
        raise ValueError(f"normalize={normalize!r} is unknown; wanted one of {', '.join(map(repr, NORMS))}")


def directions_first(gram: Tensor, layer_of_segment: Tensor, normalize: str) -> Tensor:
    """Factors that give every direction the norm of theta, before a scheme sees it.

    With segments s (filters, or layers), `n(d_k)_s = d_k,s ||theta_s|| / ||d_k,s||`, where both norms are read from
    the Gram matrices. A segment in which either norm is 0 gets factor 0, never NaN.

    Args:
        gram: Gram matrices [S, K, K] of (theta, d1, ...).
        layer_of_segment: The layer [S] of each segment, int64.
        normalize: "filter", each filter by itself (Li et al.); "layer", each tensor as a whole; "none".

    Returns:
        Factors [S, K]; 1 for theta.

    Raises:
        ValueError: When the norm is unknown.

    Example:
        >>> import torch
        >>> from fastscape.schemes import directions_first
        >>> gram = torch.tensor([[[9.0, 0.0], [0.0, 4.0]]], dtype=torch.float64)  # ||theta|| = 3, ||d|| = 2
        >>> directions_first(gram, torch.tensor([0]), "filter").tolist()
        [[1.0, 1.5]]

    Source: Li et al. 2018, arXiv 1712.09913, section 4, equation 1.
    """
    check_norm(normalize)
    squares = gram.diagonal(dim1=1, dim2=2)
    if normalize == "none":
        return torch.ones_like(squares)
    if normalize == "layer" and len(squares):
        layers = squares.new_zeros(int(layer_of_segment.max()) + 1, squares.shape[1])
        squares = layers.index_add_(0, layer_of_segment, squares)[layer_of_segment]
    norms = squares.sqrt()
    factors = torch.where(norms > 0, norms[:, :1] / norms, 0.0)
    factors[:, 0] = 1.0
    return factors


def rescaled(gram: Tensor, factors: Tensor) -> Tensor:
    """The Gram matrices [S, K, K] of the basis after its segments were multiplied by `factors` [S, K]."""
    return gram * factors[:, :, None] * factors[:, None, :]


def cosine(gram: Tensor, k: int, l: int) -> float:  # noqa: E741 - the indices of M[s, k, l]
    """The cosine between the vectors k and l of the basis, over all segments; 0 when one of them is 0."""
    whole = gram.sum(0)
    length = (whole[k, k] * whole[l, l]).sqrt()
    return float(whole[k, l] / length) if length > 0 else 0.0
