"""A matrix on what is orthogonal to some of its eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.eigenpairs import Matrix

__all__ = ["Complement"]


@dataclass(eq=False)
class Complement:
    """The matrix `U^T H U` [n - k, n - k], where the columns of U are orthonormal, and orthogonal to k vectors.

    U is never written out: it is the end of the product of the reflections that a QR decomposition of the vectors has.

    Args:
        whole: The matrix H [n, n].
        vectors: Orthonormal rows [k, n].
    """

    whole: Matrix
    vectors: np.ndarray
    _reflections: tuple[Tensor, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self._reflections = torch.geqrf(torch.from_numpy(np.array(self.vectors, dtype=np.float64)).T)

    @property
    def size(self) -> int:
        """The number of rows n - k."""
        return self.whole.size - len(self.vectors)

    def times(self, vectors: Tensor) -> Tensor:
        """The products with columns [n - k, m], or one vector [n - k]."""
        columns = vectors.reshape(self.size, -1)
        wide = torch.cat([torch.zeros(len(self.vectors), columns.shape[1], dtype=columns.dtype), columns])
        moved = self.whole.times(torch.ormqr(*self._reflections, wide))
        return torch.ormqr(*self._reflections, moved, transpose=True)[len(self.vectors) :].reshape(vectors.shape)

    def dense(self) -> Tensor:
        """The matrix itself [n - k, n - k]."""
        found = self.times(torch.eye(self.size, dtype=torch.float64, device="cpu"))
        return (found + found.T) / 2
