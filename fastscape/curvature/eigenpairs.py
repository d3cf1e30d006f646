"""Eigenvalues at the ends of a curvature matrix, with their eigenvectors and residuals.

By the Lanczos method of ARPACK (`scipy.sparse.linalg.eigsh`), or from the matrix itself where it is small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

__all__ = ["WHICH", "Eigenpairs", "Matrix", "Which", "check_count", "eigenpairs"]

Which = Literal["largest", "smallest", "both"]
WHICH = get_args(Which)

DENSE = 150
"""Up to this number of rows a matrix is written out: Lanczos would take as many products."""

_ENDS = {"largest": "LA", "smallest": "SA", "both": "BE"}


class Matrix(Protocol):
    """A symmetric matrix that is known by its products."""

    @property
    def size(self) -> int:
        """The number of rows n."""

    def times(self, vectors: Tensor) -> Tensor:
        """The products with columns [n, k], or one vector [n]."""

    def dense(self) -> Tensor:
        """The matrix [n, n]."""


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Some eigenvalues of a matrix, from the largest down.

    Args:
        values: Eigenvalues [k].
        vectors: Orthonormal eigenvectors [k, n]; the largest entry of each is positive.
        residuals: `||H v - lambda v||` of each [k], as a fraction of the largest absolute eigenvalue that was seen.
            An eigenvalue of the matrix is within that distance.
        norm: That largest absolute eigenvalue.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    norm: float


def check_count(count: object, size: int, which: str) -> None:
    """Refuses what is no number of eigenvalues of a matrix.

    Args:
        count: The number of eigenvalues to compute, at each end.
        size: The number of rows.
        which: At which end.

    Raises:
        ValueError: When it is none.
    """
    if which not in WHICH:
        raise ValueError(f"which must be one of {', '.join(map(repr, WHICH))}, got {which!r:.80}")
    most = size // 2 if which == "both" else size
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or not 1 <= count <= most:
        ends = " at each end" if which == "both" else ""
        raise ValueError(f"k must be a number of eigenvalues{ends} from 1 to {most}, got {count!r:.80}")


def eigenpairs(
    matrix: Matrix,
    count: int,
    which: Which = "largest",
    *,
    tolerance: float = 1e-5,
    start: np.ndarray | None = None,
    seed: int = 0,
) -> Eigenpairs:
    """The eigenvalues at one end of a matrix, or at both.

    Args:
        matrix: The matrix.
        count: How many, at each end.
        which: "largest", "smallest" (the most negative), or "both". Default "largest".
        tolerance: Of the residuals, as a fraction of the largest absolute eigenvalue. Default 1e-5.
        start: A vector [n] to start from, for example the sum of eigenvectors of a matrix nearby. Default: a random
            one.
        seed: Of the random start. Default 0.

    Returns:
        The eigenpairs.

    Raises:
        RuntimeError: When the residuals do not become so small.
    """
    check_count(count, matrix.size, which)
    if matrix.size <= max(DENSE, 4 * count):
        return _of_dense(matrix, count, which)
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh  # not needed by who draws

    begin = np.random.default_rng(seed).standard_normal(matrix.size) if start is None else start
    if not bool(matrix.times(torch.from_numpy(begin)).any()):  # the loss is linear
        return _pairs(matrix, np.zeros(_number(count, which)), np.eye(matrix.size, _number(count, which)), 0.0)
    operator = _operator(matrix)
    (largest,) = eigsh(operator, 1, which="LM", tol=0.05, v0=begin, return_eigenvectors=False)
    norm = abs(float(largest))
    # ARPACK compares a residual with its own eigenvalue, and so never ends at eigenvalues near 0. Of the matrix plus
    # twice its norm all are alike in size, and the Lanczos vectors stay the same.
    shifted = _operator(matrix, shift=2 * norm)
    try:
        values, vectors = eigsh(shifted, _number(count, which), which=_ENDS[which], tol=tolerance / 3, v0=begin)
    except ArpackNoConvergence as error:
        raise RuntimeError(
            f"{len(error.eigenvalues)} of the eigenvalues were found within {10 * matrix.size} restarts to a residual "
            f"of {tolerance:g}; write a larger tolerance, or precision='float64', or fewer eigenvalues"
        ) from error
    return _pairs(matrix, values - 2 * norm, vectors, norm)


def _number(count: int, which: Which) -> int:
    """How many eigenvalues there are at the ends together."""
    return 2 * count if which == "both" else count


def _operator(matrix: Matrix, shift: float = 0.0) -> Any:
    """The matrix plus a multiple of the identity, as scipy has linear maps."""
    from scipy.sparse.linalg import LinearOperator

    def times(vector: np.ndarray) -> np.ndarray:
        found: np.ndarray = matrix.times(torch.from_numpy(np.ascontiguousarray(vector).reshape(-1))).numpy()
        return found + shift * vector.reshape(-1)

    return LinearOperator((matrix.size, matrix.size), matvec=times, dtype=np.float64)


def _of_dense(matrix: Matrix, count: int, which: Which) -> Eigenpairs:
    values, vectors = np.linalg.eigh(matrix.dense().numpy())
    low = slice(0, count if which in ("smallest", "both") else 0)
    high = slice(len(values) - (count if which in ("largest", "both") else 0), len(values))
    norm = float(np.abs(values).max())
    chosen = np.r_[low, high]
    return _pairs(matrix, values[chosen], vectors[:, chosen], norm)


def _pairs(matrix: Matrix, values: np.ndarray, vectors: np.ndarray, norm: float) -> Eigenpairs:
    """The pairs in their order, with their residuals."""
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(0), np.arange(len(values))])
    products = matrix.times(torch.from_numpy(np.ascontiguousarray(vectors))).numpy()
    values = (vectors * products).sum(0)  # Rayleigh quotients, which are as good as the residuals squared
    norm = max(norm, float(np.abs(values).max()))
    residuals = np.linalg.norm(products - values * vectors, axis=0) / (norm or 1.0)
    return Eigenpairs(values, np.ascontiguousarray(vectors.T), residuals, norm)
