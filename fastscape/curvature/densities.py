"""The density of the eigenvalues of a curvature matrix, by stochastic Lanczos quadrature.

For a random direction z of length 1, the Lanczos method with m steps gives nodes and weights, of which

    p(t) = sum_k weight_k N(t; node_k, width^2)

has as its mean over z the density of all eigenvalues, each spread by a normal distribution of that width. Probes are
independent, so their spread is the standard error. `curvlinops` has the method, and is called for each probe.

Source: Ghorbani, Krishnan & Xiao 2019, arXiv 1901.10159; Papyan 2020 (JMLR 21), algorithm 2.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.eigenpairs import DENSE, Matrix
from fastscape.results import package

__all__ = ["Density", "density", "smoothed"]

POINTS = 1024
MARGIN = 0.05  # beyond the outermost eigenvalues, as a fraction of their distance
KAPPA = 3.0  # how far apart two nodes are seen as two, see Papyan's section D.2


@dataclass(frozen=True, eq=False)
class Density:
    """How eigenvalues are distributed.

    Args:
        at: Eigenvalues [m], evenly spaced.
        values: The density there [m]; its integral is 1.
        standard_error: Of the values, over probes [m]; 0 where they are exact.
        width: Standard deviation of the normal distribution that each eigenvalue is spread by.
        probes: From how many probes; 0 where it is exact.
    """

    at: np.ndarray
    values: np.ndarray
    standard_error: np.ndarray
    width: float
    probes: int


def density(matrix: Matrix, ends: tuple[float, float], *, probes: int = 10, steps: int = 80, seed: int = 0) -> Density:
    """The density of the eigenvalues.

    Args:
        matrix: The matrix.
        ends: The smallest and the largest eigenvalue.
        probes: Random vectors. Default 10.
        steps: Of the Lanczos method for each, and so the products. Default 80.
        seed: Of the random numbers. Default 0.

    Returns:
        The density; exact, but for its width, of a small matrix.

    Raises:
        ImportError: When curvlinops is not installed.
    """
    low, high = ends
    single = not high > low
    if single:  # all eigenvalues are one
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    half = (high - low) * (1 + 2 * MARGIN) / 2
    width = half * 2 / (steps - 1) / math.sqrt(8 * math.log(KAPPA))
    if single or matrix.size <= max(DENSE, steps):
        at = np.linspace(low - MARGIN * (high - low), high + MARGIN * (high - low), POINTS)
        nodes = np.array([ends[0]]) if single else np.linalg.eigvalsh(matrix.dense().numpy())
        return Density(at, smoothed(nodes, at, width), np.zeros(POINTS), width, 0)
    with warnings.catch_warnings():  # of what it uses while it is imported
        warnings.simplefilter("ignore")
        curvlinops = package("curvlinops", "curvature")
    drawn = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(probes):
            probe = curvlinops.LanczosApproximateSpectrumCached(_Operator(matrix), steps, boundaries=(low, high))
            at, values = probe.approximate_spectrum(num_points=POINTS, kappa=KAPPA, margin=MARGIN)
            drawn.append(values.numpy())
    rows = np.stack(drawn)
    error = rows.std(0, ddof=1) / math.sqrt(probes) if probes > 1 else np.full(POINTS, np.nan)
    return Density(at.numpy(), rows.mean(0), error, width, probes)


def smoothed(eigenvalues: np.ndarray, at: np.ndarray, width: float) -> np.ndarray:
    """The density of eigenvalues that are all known.

    Args:
        eigenvalues: All of them [n].
        at: Where the density is wanted [m].
        width: Standard deviation of the normal distribution that each is spread by.

    Returns:
        The density [m].
    """
    bumps = np.exp(-0.5 * ((at - eigenvalues[:, None]) / width) ** 2) / (width * math.sqrt(2 * math.pi))
    return bumps.mean(0)


@dataclass(frozen=True)
class _Operator:
    """What curvlinops asks of a linear operator. Its own evaluate no problem of fastscape."""

    matrix: Matrix
    device = torch.device("cpu")
    dtype = torch.float64

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.size, self.matrix.size

    def __matmul__(self, vector: Tensor) -> Tensor:
        return self.matrix.times(vector)

    def to_scipy(self) -> None:
        """For eigenvalues at the ends, which are known here."""
