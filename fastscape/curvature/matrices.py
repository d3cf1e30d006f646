"""Curvature matrices of the mean loss at one point of weight space, as linear maps that are never written out.

With L(w) the mean of the loss l(f(w, x), y) over the samples, J the Jacobian of the outputs f by the weights and H_l
the Hessian of the loss by the outputs:

    hessian           d2L / dw2
    ggn               mean of J^T H_l J, the generalised Gauss-Newton matrix
    fisher            mean of E[g g^T], g the gradient of -log p(y | f(w, x)) for y that the model itself draws
    empirical-fisher  mean of g g^T, g the gradient of the loss of a sample

Every product goes once over all samples in their batches, each from a fresh state, and is summed in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from torch import Tensor

from fastscape.curvature.batch_products import BatchProducts
from fastscape.curvature.likelihoods import is_likelihood
from fastscape.model import Problem, name_of
from fastscape.weights import Layout

__all__ = ["MATRICES", "CurvatureMatrix", "MatrixName", "NotFinite", "check_matrix"]

MatrixName = Literal["hessian", "ggn", "fisher", "empirical-fisher"]
MATRICES = get_args(MatrixName)


class NotFinite(ValueError):
    """A matrix that has entries which are NaN or infinite."""


@dataclass(eq=False)
class CurvatureMatrix:
    """A curvature matrix [n, n] at one point, n the real numbers that move, in the order of the layout.

    Args:
        problem: What is evaluated; not lent.
        layout: What moves, in the order of the model.
        theta: The point [P], a buffer of the layout.
        microbatch: Samples in one pass, where batches may be cut.
        kind: Which matrix. Default "hessian".
        keeps: Whether graphs of gradients are kept, as another point has shown. Default: looked at here.

    `products` counts the vectors that were multiplied, and `told` is told of them.

    Raises:
        ValueError: When the matrix is not known for this loss.
    """

    problem: Problem
    layout: Layout
    theta: Tensor
    microbatch: int
    kind: MatrixName = "hessian"
    keeps: bool | None = None
    products: int = field(default=0, init=False)
    told: Callable[[Tensor], None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_matrix(self.kind, self.problem)
        self._graphs = BatchProducts(self.problem, self.layout, self.theta, self.microbatch, self.kind, self.keeps)
        self._entries = entries_of(self.layout).to(self.theta.device)

    @property
    def size(self) -> int:
        """The number of rows n."""
        return self.layout.perturbed

    @property
    def samples(self) -> int:
        """Of how many samples it is the mean."""
        return self.problem.size

    def times(self, vectors: Tensor) -> Tensor:
        """The products with some vectors.

        Args:
            vectors: Columns [n, k], or one vector [n].

        Returns:
            Products of the same shape, float64, on the CPU.

        Raises:
            NotFinite: When a product is not finite.
            ValueError: When the loss cannot be differentiated twice.
        """
        columns = vectors.reshape(self.size, -1).T
        given = torch.zeros(len(columns), self.layout.size, dtype=self.theta.dtype, device=self.theta.device)
        given[:, self._entries] = columns.to(given)
        total = torch.zeros(len(columns), self.size, dtype=torch.float64, device=self.theta.device)
        for index in range(len(self._graphs)):
            product = self._graphs.of(index)
            for row, vector in zip(total, given, strict=True):
                row += product(vector)[self._entries]
        self.products, self.keeps = self.products + len(columns), self._graphs.keeps
        if self.told is not None:
            self.told(vectors)
        if not bool(total.isfinite().all()):
            raise NotFinite(
                f"the {self.kind} matrix of the loss is not finite at the model; is the loss, or a weight, NaN or "
                "infinite there?"
            )
        return (total / self.problem.size).T.reshape(vectors.shape).cpu()

    def dense(self) -> Tensor:
        """The matrix itself [n, n], float64, on the CPU: n products."""
        found = self.times(torch.eye(self.size, dtype=torch.float64, device="cpu"))
        return (found + found.T) / 2

    def block(self, name: str) -> CurvatureBlock:
        """The block on the diagonal that belongs to one tensor.

        Args:
            name: The name of a tensor that moves.

        Returns:
            The block, as a linear map of its own.

        Raises:
            KeyError: When no such tensor moves.
        """
        start = 0
        for entry in self.layout.entries:
            if entry.name == name:
                return CurvatureBlock(self, slice(start, start + entry.numel))
            start += entry.numel
        raise KeyError(name)


@dataclass(frozen=True, eq=False)
class CurvatureBlock:
    """A block on the diagonal of a curvature matrix.

    Args:
        whole: The matrix.
        part: Its rows and columns.
    """

    whole: CurvatureMatrix
    part: slice

    @property
    def size(self) -> int:
        """The number of rows n."""
        return self.part.stop - self.part.start

    @property
    def products(self) -> int:
        """How many products with the whole matrix were made."""
        return self.whole.products

    def times(self, vectors: Tensor) -> Tensor:
        """The products with columns [n, k], or one vector [n]."""
        wide = torch.zeros(self.whole.size, *vectors.shape[1:], dtype=torch.float64, device="cpu")
        wide[self.part] = vectors
        return self.whole.times(wide)[self.part]

    def dense(self) -> Tensor:
        """The block itself [n, n]."""
        found = self.times(torch.eye(self.size, dtype=torch.float64, device="cpu"))
        return (found + found.T) / 2


def check_matrix(kind: str, problem: Problem) -> None:
    """Refuses a matrix that a loss does not have.

    Args:
        kind: Which matrix.
        problem: What is evaluated.

    Raises:
        ValueError: When there is no such matrix, or not for this loss.
    """
    objective = problem.objective
    if kind not in MATRICES:
        raise ValueError(f"matrix must be one of {', '.join(map(repr, MATRICES))}, got {kind!r:.80}")
    if kind in ("ggn", "fisher") and objective.custom is not None:
        raise ValueError(
            f"matrix={kind!r} needs the outputs of the model apart from the loss, which an objective hides; give "
            "loss=f(outputs, targets), or write matrix='hessian'"
        )
    if kind == "fisher" and not is_likelihood(objective.loss):
        raise ValueError(
            "matrix='fisher' needs a loss that is a likelihood (cross_entropy, binary_cross_entropy_with_logits, "
            f"mse_loss of torch), got {name_of(objective.loss):.80}; write matrix='ggn'"
        )
    if kind == "empirical-fisher" and not objective.moments:
        raise ValueError(
            "matrix='empirical-fisher' needs the losses of single samples, and the loss gives one value for a batch; "
            "let it return one value a sample [n], or write matrix='ggn'"
        )


def entries_of(layout: Layout) -> Tensor:
    """Where the numbers that move stand in a buffer, without the padding.

    Args:
        layout: The layout.

    Returns:
        Places [n], int64, on the CPU.
    """
    return torch.cat([torch.arange(entry.offset, entry.stop, device="cpu") for entry in layout.entries])
