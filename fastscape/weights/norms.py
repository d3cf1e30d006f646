"""Norms of directions, from Gram matrices; only "weight" acts on single entries, in `basis_of`.

Shapes: gram_SKK [S, K, K], float64, the Gram matrices of the segments of a basis (theta, d1, ...).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["NORMS", "Norm", "by_input", "check_norm", "cosine", "directions_first", "per_layer", "rescaled"]

Norm = Literal["filter", "filter-input", "layer", "weight", "dfilter", "dlayer", "none"]

NORMS = get_args(Norm)
"""Norms of a direction d, as in the code of Li et al. (arXiv 1712.09913):

- "filter", "layer": every filter, or every tensor, gets the norm that it has in theta;
- "filter-input": as "filter", but a filter of a dense layer is the weights of one input, a column of its matrix;
- "dfilter", "dlayer": every filter, or every tensor, gets norm 1;
- "weight": every entry is multiplied by the same entry of theta;
- "none": the direction stays as it was drawn or given.

The norm of complex numbers is the square root of the sum of their |z|^2. "weight" multiplies real parts by real parts
and imaginary parts by imaginary parts: every real number moves in proportion to itself.

"filter-input" is the norm of Luciani, Huang & Danisch, "Efficient Neural Network Loss Landscape Generation". A dense
layer is an `nn.Linear` or the `Conv1D` of GPT-2. The basis stores its matrix input by input. Schemes that keep the
norms of filters keep those of its columns, and a seed draws different directions than for the other norms.
"""


def check_norm(normalize: str) -> None:
    """Refuses an unknown norm.

    Args:
        normalize: One of `NORMS`.

    Raises:
        ValueError: When it is something else.
    """
    if normalize not in NORMS:
        raise ValueError(f"normalize must be one of {', '.join(map(repr, NORMS))}, got {normalize!r}")


def by_input(normalize: str) -> bool:
    """Whether a filter of a dense layer is the weights of one input, see `fastscape.weights.layout_of`.

    Args:
        normalize: One of `NORMS`.

    Returns:
        True for "filter-input".
    """
    return normalize == "filter-input"


def directions_first(gram: Tensor, layer_of_segment: Tensor, normalize: str) -> Tensor:
    """Factors that normalise every direction, before a scheme sees it.

    With segments s (filters, or layers): `n(d)_s = d_s ||theta_s|| / ||d_s||` for "filter", "filter-input" and
    "layer", `d_s / ||d_s||` for "dfilter" and "dlayer". A segment in which the direction is 0 gets factor 0, never
    NaN; so does one in which theta is 0, unless the norm is "dfilter" or "dlayer".

    Args:
        gram: Gram matrices [S, K, K] of (theta, d1, ...).
        layer_of_segment: The layer [S] of each segment, int64.
        normalize: One of `NORMS`; "weight" acts on entries, not on segments, so it changes nothing here.

    Returns:
        Factors [S, K]; 1 for theta.

    Raises:
        ValueError: When the norm is unknown.

    Example:
        >>> import torch
        >>> from fastscape.weights import directions_first
        >>> gram = torch.tensor([[[9.0, 0.0], [0.0, 4.0]]], dtype=torch.float64)  # ||theta|| = 3, ||d|| = 2
        >>> directions_first(gram, torch.tensor([0]), "filter").tolist()
        [[1.0, 1.5]]
        >>> directions_first(gram, torch.tensor([0]), "dfilter").tolist()
        [[1.0, 0.5]]

    Source: Li et al. 2018, arXiv 1712.09913, section 4, equation 1.
    """
    check_norm(normalize)
    if normalize in ("none", "weight"):
        return torch.ones_like(gram.diagonal(dim1=1, dim2=2))
    if normalize in ("layer", "dlayer"):
        gram = per_layer(gram, layer_of_segment)[layer_of_segment]
    norms = gram.diagonal(dim1=1, dim2=2).sqrt()
    wanted = norms[:, :1] if normalize not in ("dfilter", "dlayer") else torch.ones_like(norms[:, :1])
    factors = torch.where(norms > 0, wanted / norms, 0.0)
    factors[:, 0] = 1.0
    return factors


def per_layer(gram: Tensor, layer_of_segment: Tensor) -> Tensor:
    """The Gram matrices [L, K, K] of whole tensors: the sums over their filters.

    Args:
        gram: Gram matrices [S, K, K].
        layer_of_segment: The layer [S] of each segment, int64.

    Returns:
        Gram matrices [L, K, K]; L is the highest layer number plus 1.
    """
    layers = int(layer_of_segment.max()) + 1 if len(layer_of_segment) else 0
    return gram.new_zeros(layers, *gram.shape[1:]).index_add_(0, layer_of_segment, gram)


def rescaled(gram: Tensor, factors: Tensor) -> Tensor:
    """The Gram matrices [S, K, K] of the basis after its segments were multiplied by `factors` [S, K]."""
    return gram * factors[:, :, None] * factors[:, None, :]


def cosine(gram: Tensor, k: int, l: int) -> float:  # noqa: E741 - the indices of M[s, k, l]
    """The cosine between the vectors k and l of the basis, over all segments; 0 if one of the vectors is 0."""
    whole = gram.sum(0)
    length = (whole[k, k] * whole[l, l]).sqrt()
    return float(whole[k, l] / length) if length > 0 else 0.0
