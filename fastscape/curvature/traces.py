"""Trace and Frobenius norm of a curvature matrix, by Hutch++, with standard errors.

With Q an orthonormal basis that has most of the matrix, and z random signs,

    tr H      = tr(Q^T H Q) + E[(P z)^T H (P z)],    P = 1 - Q Q^T,
    ||H||_F^2 = ||H Q||_F^2 + E[||H P z||^2],

so that only what Q leaves over is estimated. Q are the eigenvectors that are known already, and products with random
vectors. The estimates of single probes are independent, so their spread is the standard error; the function of
curvlinops gives their mean alone.

Source: Meyer, Musco, Musco & Woodruff 2021, arXiv 2010.09649; Hutchinson 1989 for the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.eigenpairs import DENSE, Matrix
from fastscape.results import Estimate

__all__ = ["Traces", "traces"]


@dataclass(frozen=True)
class Traces:
    """What random probes tell of a matrix.

    Args:
        trace: The sum of all eigenvalues.
        frobenius: The root of the sum of their squares.
        parts: The traces of the blocks on the diagonal, in the order of their sizes.
    """

    trace: Estimate
    frobenius: Estimate
    parts: tuple[Estimate, ...] = ()


def traces(
    matrix: Matrix, known: np.ndarray | None = None, *, probes: int = 32, seed: int = 0, parts: tuple[int, ...] = ()
) -> Traces:
    """Trace and Frobenius norm.

    Args:
        matrix: The matrix.
        known: Orthonormal rows [k, n] that have much of it, such as eigenvectors. Default: none.
        probes: Random vectors, half as many again for the basis. Default 32.
        seed: Of the random numbers. Default 0.
        parts: Sizes of blocks on the diagonal, in their order, whose traces are computed too. Default: none.

    Returns:
        The estimates; exact of a small matrix.
    """
    if matrix.size <= max(DENSE, 2 * probes):
        return _exact(matrix.dense(), parts)
    generator = torch.Generator("cpu").manual_seed(seed)
    basis = _basis(matrix, known, probes // 2, generator)
    through = matrix.times(basis)
    signs = torch.randint(2, (matrix.size, probes), generator=generator, device="cpu").double() * 2 - 1
    left = signs - basis @ (basis.T @ signs)
    moved = matrix.times(left)
    kept, rest = (basis * through).sum(1), signs * moved  # of each row
    trace = _estimate(float(kept.sum()), (left * moved).sum(0))
    square = _estimate(float(through.square().sum()), moved.square().sum(0))
    root = max(square.value, 0.0) ** 0.5
    frobenius = Estimate(root, square.standard_error / (2 * root) if root else 0.0, probes)
    found = zip(kept.split(parts), rest.split(parts), strict=True) if parts else ()
    return Traces(trace, frobenius, tuple(_estimate(float(k.sum()), r.sum(0)) for k, r in found))


def _basis(matrix: Matrix, known: np.ndarray | None, count: int, generator: torch.Generator) -> Tensor:
    """Orthonormal columns that have the rows that are known, and products with random vectors."""
    drawn = torch.randn(matrix.size, count, generator=generator, dtype=torch.float64, device="cpu")
    sketch = matrix.times(drawn)
    if known is not None:
        sketch = torch.cat([torch.from_numpy(known).T.to(sketch), sketch], dim=1)
    return torch.linalg.qr(sketch)[0]


def _estimate(exact: float, draws: Tensor) -> Estimate:
    return Estimate(exact + float(draws.mean()), float(draws.std() / len(draws) ** 0.5), len(draws))


def _exact(whole: Tensor, parts: tuple[int, ...]) -> Traces:
    diagonal = whole.diagonal()
    blocks = tuple(Estimate(float(part.sum())) for part in diagonal.split(parts)) if parts else ()
    return Traces(Estimate(float(diagonal.sum())), Estimate(float(whole.square().sum().sqrt())), blocks)
