"""The largest eigenvalue and the trace of the Hessian, as measures of sharpness."""

from __future__ import annotations

from fastscape.curvature.eigenpairs import eigenpairs
from fastscape.curvature.sharpness.measure import ORDER, About, Found
from fastscape.curvature.sharpness.surroundings import Surroundings
from fastscape.curvature.traces import traces

__all__ = ["LARGEST", "TRACE", "hessian_trace", "largest_eigenvalue"]

LARGEST = About(
    "largest_eigenvalue",
    "loss / weights^2",
    "max over ||v|| = 1 of v^T H v, H the Hessian of L",
    "How much the loss bends in the direction in which it bends most. Gradient descent with a learning rate above "
    "2 / value is unstable on the quadratic approximation.",
    "Yao et al. 2020, PyHessian, arXiv 1912.07145",
    (ORDER,),
)
TRACE = About(
    "trace",
    "loss / weights^2",
    "tr H, H the Hessian of L",
    "The sum of all eigenvalues of the Hessian: under small normal noise of standard deviation s on every weight the "
    "loss rises by s^2 / 2 times it in the mean.",
    "Meyer et al. 2021, Hutch++, arXiv 2010.09649, algorithm 1",
    (ORDER,),
)


def largest_eigenvalue(around: Surroundings, *, tolerance: float, seed: int) -> Found:
    """The largest eigenvalue of the Hessian.

    Args:
        around: The loss.
        tolerance: Of its residual.
        seed: Of the start of the iteration.

    Returns:
        The value, with its residual among the details.
    """
    pairs = eigenpairs(around.matrix, 1, tolerance=tolerance, seed=seed)
    residual = float(pairs.residuals[0])
    said = f"residual {residual:.1g} of the largest absolute eigenvalue"
    return Found(float(pairs.values[0]), 0.0, {"tolerance": tolerance}, said, {"residual": residual})


def hessian_trace(around: Surroundings, *, probes: int, seed: int) -> Found:
    """The trace of the Hessian.

    Args:
        around: The loss.
        probes: Random vectors.
        seed: Of the random vectors.

    Returns:
        The value, with its standard error over probes, and the mean eigenvalue among the details.
    """
    found = traces(around.matrix, probes=probes, seed=seed).trace
    mean = found.value / around.matrix.size
    said = f"the mean eigenvalue is {mean:.4g}"
    settings = {"probes": probes, "seed": seed}
    return Found(found.value, found.standard_error, settings, said, {"mean_eigenvalue": mean, "drawn": found.probes})
