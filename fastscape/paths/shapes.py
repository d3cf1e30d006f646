"""The shapes of curves between two models: their control points, combined as a function of t.

Shapes of arrays: t [G]; coefficients [G, n + 1], of the control points c_0 (the first end), c_1, ..., c_n (the last
end). The coefficients of a point sum to 1: `theta(t) = sum_k C_k(t) c_k`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = ["SHAPES", "Shape", "ShapeName", "bezier", "length_of", "polygon"]

ShapeName: TypeAlias = Literal["bezier", "polygon", "band"]

Shape: TypeAlias = Callable[[Tensor, int], Tensor]

NODES = 16
"""Number of nodes of the quadrature on each piece of a curve."""

LENGTH = 1e-12
"""Relative error of a length below which no finer pieces are tried."""


def bezier(t: Tensor, n: int) -> Tensor:
    """Coefficients of a Bezier curve: `binom(n, k) (1 - t)^(n - k) t^k`.

    Args:
        t: Positions on the curve [G].
        n: Number of the last control point.

    Returns:
        Coefficients [G, n + 1].

    Example:
        >>> import torch
        >>> from fastscape.paths.shapes import bezier
        >>> bezier(torch.tensor([0.5]), 2).tolist()
        [[0.25, 0.5, 0.25]]

    Source: Garipov et al. 2018, arXiv 1802.10026, equation 7.
    """
    return torch.stack([math.comb(n, k) * (1 - t) ** (n - k) * t**k for k in range(n + 1)], dim=1)


def polygon(t: Tensor, n: int) -> Tensor:
    """Coefficients of a polygonal chain, whose control point k is at t = k / n.

    Beyond its ends the chain continues straight.

    Args:
        t: Positions on the curve [G].
        n: Number of the last control point.

    Returns:
        Coefficients [G, n + 1].

    Example:
        >>> import torch
        >>> from fastscape.paths.shapes import polygon
        >>> polygon(torch.tensor([0.25, 1.0]), 2).tolist()
        [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]

    Source: Garipov et al. 2018, arXiv 1802.10026, equation 6.
    """
    piece = (t * n).detach().floor().clamp(0, n - 1)
    further = t * n - piece
    return torch.stack([(piece == k) * (1 - further) + (piece == k - 1) * further for k in range(n + 1)], dim=1)


SHAPES: dict[str, Shape] = {"bezier": bezier, "polygon": polygon, "band": polygon}
"""Coefficients by the name of a curve; an elastic band is a polygonal chain through its images."""


def length_of(name: str, gram: np.ndarray) -> float:
    """The length of a curve.

    Args:
        name: The name of the shape.
        gram: Scalar products [n, n] of the steps between its control points, `c_(k + 1) - c_k`, float64.

    Returns:
        For a chain the sum of its pieces; for a Bezier curve the integral of `|theta'(t)|` by Gaussian quadrature, on
        ever finer pieces until the value is stable.
    """
    if SHAPES[name] is polygon:
        return float(np.sqrt(np.diagonal(gram).clip(min=0)).sum())
    n = len(gram)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    before = math.inf
    for pieces in (2**level for level in range(11)):
        edges = np.linspace(0, 1, pieces + 1)
        t = (edges[:-1, None] + (nodes + 1) / (2 * pieces)).reshape(-1)
        c = n * bezier(torch.from_numpy(t), n - 1).numpy()
        speeds = np.sqrt(np.einsum("ti,ij,tj->t", c, gram, c).clip(min=0))
        found = float(np.tile(weights / (2 * pieces), pieces) @ speeds)
        if abs(found - before) <= LENGTH * found:
            break
        before = found
    return found
