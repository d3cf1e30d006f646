"""Computes gradient, Hessian, eigenvalues and curvature of the graph from the derivatives of a loss along its axes.

The derivatives are measures of a landscape that `surface(..., curvature="plane")` has computed. They are in
coordinates of the axes, so they change with the lengths of the directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations_with_replacement
from typing import TypeVar

import numpy as np

from fastscape.results.values import V, Values

__all__ = [
    "EIGENVALUES",
    "derivative_names",
    "gaussian_curvature",
    "gradient",
    "hessian",
    "hessian_eigenvalues",
    "mean_curvature",
    "with_curvature",
]

T = TypeVar("T")

EIGENVALUES = "lambda_min", "lambda_max", "lambda_ratio", "lambda_residual"
"""The names of the measures of the spectrum of the whole Hessian at every point."""


def derivative_names(axes: Sequence[str]) -> tuple[str, ...]:
    """The names of the derivatives of the loss along axes, as measures of a landscape.

    Args:
        axes: The names of the axes.

    Returns:
        The first derivatives, then the second derivatives, each pair of axes once.

    Example:
        >>> from fastscape.results import derivative_names
        >>> derivative_names(["x", "y"]), derivative_names(["x4"])
        (('dL_dx', 'dL_dy', 'd2L_dx2', 'd2L_dxdy', 'd2L_dy2'), ('dL_dx4', 'd2L_dx4dx4'))
    """
    second = (f"d2L_d{a}2" if a == b and len(a) == 1 else f"d2L_d{a}d{b}" for a, b in _pairs(axes))
    return *(f"dL_d{name}" for name in axes), *second


def gradient(landscape: Values) -> np.ndarray:
    """The gradient of the loss along the axes, at every grid point.

    Args:
        landscape: A landscape with derivatives.

    Returns:
        `(dL/dx, dL/dy)` [H, W, 2]; on a line [H, 1], and along N axes [..., N].

    Raises:
        ValueError: When the landscape has no derivatives.

    Example:
        >>> import torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.rand(20, 4), torch.randint(3, (20,)))
        >>> landscape = fastscape.surface(model, data, x=(-1, 1, 3), y=(-1, 1, 5), curvature="plane")
        >>> landscape.gradient().shape, landscape.hessian().shape
        ((3, 5, 2), (3, 5, 2, 2))
    """
    found = _derivatives(landscape)
    return np.stack(found[: len(landscape.axes)], axis=-1)


def hessian(landscape: Values) -> np.ndarray:
    """The Hessian of the loss along the axes, at every grid point.

    Args:
        landscape: A landscape with derivatives.

    Returns:
        `((d2L/dx2, d2L/dxdy), (d2L/dxdy, d2L/dy2))` [H, W, 2, 2]; on a line [H, 1, 1], and along N axes [..., N, N].

    Raises:
        ValueError: When the landscape has no derivatives.
    """
    count = len(landscape.axes)
    found = np.empty((*landscape.shape, count, count))
    for (i, j), second in zip(_pairs(range(count)), _derivatives(landscape)[count:], strict=True):
        found[..., i, j] = found[..., j, i] = second
    return found


def hessian_eigenvalues(landscape: Values) -> np.ndarray:
    """The eigenvalues of the Hessian of the loss along the axes, at every grid point.

    Args:
        landscape: A landscape with derivatives.

    Returns:
        Eigenvalues [H, W, 2], the smaller eigenvalue first; on a line [H, 1], and along N axes [..., N]. NaN if a
        second derivative is not finite.

    Raises:
        ValueError: When the landscape has no derivatives.
    """
    matrices = hessian(landscape)
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    found = np.full(matrices.shape[:-1], np.nan)
    found[finite] = np.linalg.eigvalsh(matrices[finite])
    return found


def mean_curvature(landscape: Values) -> np.ndarray:
    """The mean curvature of the graph (x, y, L(x, y)), at every grid point.

    With p = dL/dx, q = dL/dy and r, s, t the second derivatives, the first fundamental form of the graph is
    `E = 1 + p^2, F = p q, G = 1 + q^2`, the second `(r, s, t) / sqrt(1 + p^2 + q^2)`, and

        H = ((1 + q^2) r - 2 p q s + (1 + p^2) t) / (2 (1 + p^2 + q^2)^(3/2))

    It is positive at the bottom of a bowl. On a line it is the curvature `r / (1 + p^2)^(3/2)` of the curve (x, L(x)).
    Along N axes, with g the gradient, A the Hessian and `w^2 = 1 + |g|^2`, it is `(w^2 tr A - g . A g) / (N w^3)`.
    The unit is the inverse of the common unit of the picture's three axes. A different scale of the loss or of a
    direction gives a different curvature; the eigenvalues of the Hessian show it more plainly.

    Args:
        landscape: A landscape with derivatives.

    Returns:
        Mean curvature in the shape of the landscape.

    Raises:
        ValueError: When it has no derivatives.

    Source: do Carmo, Differential Geometry of Curves and Surfaces, 1976, section 3-3, example 5.
    """
    with np.errstate(all="ignore"):  # values that are not finite stay so
        if len(landscape.axes) == 1:
            p, r = _derivatives(landscape)
            return np.asarray(r / (1 + p**2) ** 1.5)
        if len(landscape.axes) > 2:
            g, bent, w2 = _graph(landscape)
            across = np.einsum("...i,...ij,...j->...", g, bent, g)
            return np.asarray((w2 * np.trace(bent, axis1=-2, axis2=-1) - across) / (g.shape[-1] * w2**1.5))
        p, q, r, s, t = _derivatives(landscape)
        return np.asarray(((1 + q**2) * r - 2 * p * q * s + (1 + p**2) * t) / (2 * (1 + p**2 + q**2) ** 1.5))


def gaussian_curvature(landscape: Values) -> np.ndarray:
    """The Gaussian curvature of the graph (x, y, L(x, y)), at every grid point.

    In the symbols of `mean_curvature`

        K = (r t - s^2) / (1 + p^2 + q^2)^2

    It is positive in bowls and on hilltops, negative at saddles, and 0 in a straight valley. Along N axes, with g the
    gradient and A the Hessian, it is `det A / (1 + |g|^2)^((N + 2) / 2)`, the curvature of Gauss and Kronecker.

    Args:
        landscape: A landscape of two or more axes with derivatives.

    Returns:
        Gaussian curvature in the shape of the landscape.

    Raises:
        ValueError: When the landscape has no derivatives, or is a line, which has no Gaussian curvature.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.array([-1.0, 0.0, 1.0])
        >>> p, q, one = *np.meshgrid(x, x, indexing="ij"), np.ones((3, 3))
        >>> slopes = {"dL_dx": p, "dL_dy": q, "d2L_dx2": one, "d2L_dxdy": 0 * one, "d2L_dy2": one}
        >>> bowl = Landscape(x, x, (p**2 + q**2) / 2, slopes)
        >>> float(bowl.gaussian_curvature()[1, 1]), float(bowl.mean_curvature()[1, 1])
        (1.0, 1.0)

    Source: do Carmo, Differential Geometry of Curves and Surfaces, 1976, section 3-3, example 5.
    """
    if len(landscape.axes) == 1:
        raise ValueError("a line has no Gaussian curvature; write mean_curvature, which is that of the curve")
    if len(landscape.axes) > 2:
        with np.errstate(all="ignore"):
            g, bent, w2 = _graph(landscape)
            finite = np.isfinite(bent).all(axis=(-2, -1))
            found = np.full(landscape.shape, np.nan)
            found[finite] = np.linalg.det(bent[finite])
            return np.asarray(found / w2 ** (g.shape[-1] / 2 + 1))
    p, q, r, s, t = _derivatives(landscape)
    with np.errstate(all="ignore"):
        return np.asarray((r * t - s**2) / (1 + p**2 + q**2) ** 2)


def with_curvature(landscape: V) -> V:
    """The landscape with curvatures and eigenvalues as further measures, for pictures, pages and files.

    Args:
        landscape: A landscape with derivatives.

    Returns:
        The landscape with "mean_curvature", and if it is a plane with "gaussian_curvature", and "smaller_eigenvalue"
        and "larger_eigenvalue" of its Hessian; with more axes, "smallest_eigenvalue" and "largest_eigenvalue".

    Raises:
        ValueError: When it has no derivatives.
    """
    found = {"mean_curvature": mean_curvature(landscape)}
    if len(landscape.axes) > 1:
        low, high = ("smaller", "larger") if len(landscape.axes) == 2 else ("smallest", "largest")
        eigenvalues = hessian_eigenvalues(landscape)
        found |= {"gaussian_curvature": gaussian_curvature(landscape)}
        found |= {f"{low}_eigenvalue": eigenvalues[..., 0].copy(), f"{high}_eigenvalue": eigenvalues[..., -1].copy()}
    measures = {**landscape.measures, **found}
    return landscape.keeping(landscape.axes, measures, landscape.report, landscape.standard_error, landscape.evaluated)


def _graph(landscape: Values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient [..., N], Hessian [..., N, N], and the squared length [...] of the normal (-gradient, 1)."""
    slope = gradient(landscape)
    return slope, hessian(landscape), 1 + np.square(slope).sum(axis=-1)


def _pairs(axes: Iterable[T]) -> Iterator[tuple[T, T]]:
    """Each pair of axes once, in the order of the second derivatives."""
    return combinations_with_replacement(axes, 2)


def _derivatives(landscape: Values) -> list[np.ndarray]:
    """The derivatives of a landscape in the order of their names."""
    names = derivative_names(list(landscape.axes))
    missing = [name for name in names if name not in landscape.measures]
    if missing:
        raise ValueError(
            f"the landscape has no {', '.join(missing)}; compute it with curvature='plane', which measures the "
            "derivatives of the loss"
        )
    return [landscape.measures[name] for name in names]
