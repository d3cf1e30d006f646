"""The density of the eigenvalues of a curvature matrix, by stochastic Lanczos quadrature.

For a random direction z of length 1, the Lanczos method with m steps gives nodes and weights. The mean over z of

    p(t) = sum_k weight_k N(t; node_k, width^2)

is the density of all eigenvalues, each spread by a normal distribution of that width: a `steps`-th of their range.
Probes are independent, so their spread is the standard error. `curvlinops` has the method, and is called for each
probe.

Source: Ghorbani, Krishnan & Xiao 2019, arXiv 1901.10159; Papyan 2020 (JMLR 21), algorithm 2.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature.complement import Complement
from fastscape.curvature.eigenpairs import DENSE, Eigenpairs, Matrix
from fastscape.results import Density, package

__all__ = ["density", "smoothed"]

POINTS = 1024
MARGIN = 3.0  # beyond the outermost eigenvalues, in standard deviations by which they are spread
# With m steps the quadrature is exact for polynomials of degree 2m - 1. A normal distribution of standard deviation s,
# on [-1, 1], is one but for exp(-(2 m s)^2 / 2); curvlinops' own choice of s leaves 0.4 of it.
WIDTH = 2.0  # s m
LEFT = math.exp(-((2 * WIDTH) ** 2) / 2)


def density(matrix: Matrix, known: Eigenpairs, *, probes: int = 10, steps: int = 80, seed: int = 0) -> Density:
    """The density of the eigenvalues.

    Args:
        matrix: The matrix.
        known: Eigenpairs at both ends. They stand in the density as they are, and probes are orthogonal to them: a
            random vector would have a share of a single outlier that differs from probe to probe.
        probes: Random vectors. Default 10.
        steps: Of the Lanczos method for each, and so the products; at least 10. Default 80.
        seed: Of the random numbers. Default 0.

    Returns:
        The density; exact, but for its width, of a small matrix.

    Raises:
        ImportError: When curvlinops is not installed.
    """
    low, high = float(known.values[-1]), float(known.values[0])
    single = not high > low
    if single:  # all eigenvalues are one
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    width = (high - low) / (2 * steps / WIDTH - 2 * MARGIN)  # so that it is WIDTH / steps of half of all that is shown
    margin = MARGIN * width
    at = np.linspace(low - margin, high + margin, POINTS)
    if single or matrix.size <= max(DENSE, steps + len(known.values)):
        nodes = known.values[:1] if single else np.linalg.eigvalsh(matrix.dense().numpy())
        return Density(at, smoothed(nodes, at, width), np.zeros(POINTS), width, 0)
    rest = Complement(matrix, known.vectors)
    share = rest.size / matrix.size
    rows = share * _of_probes(rest, at, probes, steps, seed)
    values = rows.mean(0) + (1 - share) * smoothed(known.values, at, width)
    nearby = _spread(values, 2 * width / (at[1] - at[0]))  # the error of the quadrature follows the density nearby
    error = np.hypot(rows.std(0, ddof=1) / math.sqrt(probes), LEFT * nearby)
    return Density(at, values, error, width, probes)


def _of_probes(matrix: Matrix, at: np.ndarray, probes: int, steps: int, seed: int) -> np.ndarray:
    """The densities [probes, m] that single probes give at some places."""
    with warnings.catch_warnings():  # of what it uses while it is imported
        warnings.simplefilter("ignore")
        curvlinops = package("curvlinops", "curvature")
    ends = float(at[0]), float(at[-1])
    kappa = math.exp((steps / (steps - 1) / WIDTH) ** 2 / 2)  # by which curvlinops has this width
    drawn = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(probes):
            probe = curvlinops.LanczosApproximateSpectrumCached(_Operator(matrix), steps, boundaries=ends)
            drawn.append(probe.approximate_spectrum(num_points=len(at), kappa=kappa, margin=0.0)[1].numpy())
    return np.stack(drawn)


def _spread(values: np.ndarray, places: float) -> np.ndarray:
    """Values spread by a normal distribution with a standard deviation of so many places."""
    from scipy.ndimage import gaussian_filter1d

    found: np.ndarray = gaussian_filter1d(values, places, mode="constant")
    return found


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
