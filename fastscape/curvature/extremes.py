"""The smallest and the largest eigenvalue of the Hessian at many points, by as few products as they take.

A thick-restart Lanczos method that looks at its residuals after every product. `scipy.sparse.linalg.eigsh` looks for
the first time when its subspace of 20 vectors is full, and takes a subspace for each end; at a tolerance of 1e-3 both
ends are often known after ten to twenty products (`python -m benchmarks.ratio` measures both). A start at the
eigenvectors of a neighbour was measured and saves nothing at the distances of a grid, so a point has the same value
whatever was computed before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from fastscape.curvature.eigenpairs import Matrix
from fastscape.curvature.matrices import CurvatureMatrix, NotFinite
from fastscape.model import Problem, at_rest, of_first_set
from fastscape.weights import Layout

__all__ = ["Extremes", "Extremities", "extremities"]

# Products, before which nothing is believed: most eigenvalues are near 0, so that a random vector has a small residual
# there, before an eigenvalue below 0 is found. It was seen up to the fifth product.
LEAST = 10
MOST = 400  # products, after which the residual is what it is
BASIS_BYTES = 1 << 30
FEWEST, WIDEST = 12, 60  # vectors of a subspace, before it restarts with the best of them


class Extremities(NamedTuple):
    """Both ends of a spectrum.

    Args:
        smallest: The smallest eigenvalue.
        largest: The largest one.
        residual: The larger one of both `||H v - lambda v||`, as a fraction of the larger one of both `|lambda|`.
    """

    smallest: float
    largest: float
    residual: float


def extremities(matrix: Matrix, tolerance: float) -> Extremities:
    """The smallest and the largest eigenvalue of a symmetric matrix.

    Args:
        matrix: The matrix.
        tolerance: Of the residuals, as a fraction of the larger one of both absolute eigenvalues.

    Returns:
        Both. The residual is above the tolerance where `MOST` products did not suffice.

    Source: Wu & Simon 2000, Thick-restart Lanczos method for large symmetric eigenvalue problems, section 3.
    """
    size, products, filled = matrix.size, 0, 0
    width = min(size, WIDEST, max(FEWEST, BASIS_BYTES // (8 * size)))
    basis = torch.zeros(width + 1, size, dtype=torch.float64, device="cpu")
    small = torch.zeros(width, width, dtype=torch.float64, device="cpu")
    basis[0] = torch.randn(size, dtype=torch.float64, device="cpu", generator=torch.Generator("cpu").manual_seed(0))
    basis[0] /= basis[0].norm()
    while True:
        rest = matrix.times(basis[filled])
        products, filled = products + 1, filled + 1
        known = basis[:filled]
        inside = known @ rest
        rest = rest - inside @ known
        again = known @ rest  # once more, for what rounding has left
        rest = rest - again @ known
        small[filled - 1, :filled] = small[:filled, filled - 1] = inside + again
        values, vectors = torch.linalg.eigh(small[:filled, :filled])
        left, norm = float(rest.norm()), float(values[[0, -1]].abs().max())
        residual = left * float(vectors[-1, [0, -1]].abs().max()) / (norm or 1.0)
        known_well = residual <= tolerance and products >= LEAST
        if known_well or filled == size or products >= MOST or left == 0:
            return Extremities(float(values[0]), float(values[-1]), residual)
        if filled == width:
            best = torch.arange(filled)[torch.arange(filled).remainder(filled - width // 4) < width // 4]
            basis[: len(best)] = vectors[:, best].T @ known
            small.zero_()
            small[range(len(best)), range(len(best))] = values[best]
            filled = len(best)
        basis[filled] = rest / left


@dataclass(eq=False)
class Extremes:
    """The ends of the spectrum of the Hessian of the mean loss, at one point of weight space after the other.

    Args:
        problem: What is evaluated; not lent.
        layout: What moves.
        microbatch: Samples in one pass, where batches may be cut.
        tolerance: See `extremities`.
    """

    problem: Problem
    layout: Layout
    microbatch: int
    tolerance: float
    _keeps: bool | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.problem = of_first_set(self.problem)

    def matrix(self, theta: Tensor) -> CurvatureMatrix:
        """The Hessian at a point [P]."""
        found = CurvatureMatrix(self.problem, self.layout, theta, self.microbatch, keeps=self._keeps)
        found.told = lambda _: at_rest()  # for signals: a point takes long
        return found

    def at(self, theta: Tensor) -> Tensor:
        """Both ends at a point.

        Args:
            theta: The point [P], a buffer of the layout.

        Returns:
            The smallest eigenvalue, the largest one, `|smallest / largest|`, and the residual [4], float64, on the
            CPU. NaN where the Hessian is not finite, and the ratio where it is 0.

        Raises:
            ValueError: When the loss cannot be differentiated twice.
        """
        matrix = self.matrix(theta)
        try:
            smallest, largest, residual = extremities(matrix, self.tolerance)
        except NotFinite:
            return torch.full((4,), torch.nan, dtype=torch.float64, device="cpu")
        self._keeps = matrix.keeps
        ends = torch.tensor([smallest, largest], dtype=torch.float64, device="cpu")
        return torch.stack([*ends, (ends[0] / ends[1]).abs(), torch.tensor(residual, dtype=torch.float64)])
