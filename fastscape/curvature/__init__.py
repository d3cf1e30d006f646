"""Curvature of the loss at one point of weight space: matrices by their products, eigenpairs, traces and densities.

Everything is of the mean loss over the samples, of the model's own state, in batches as they are given.
"""

from fastscape.curvature.densities import density
from fastscape.curvature.directions import EigenvectorDirections
from fastscape.curvature.eigenpairs import Eigenpairs, Which, check_count, eigenpairs
from fastscape.curvature.extremes import Extremes
from fastscape.curvature.matrices import CurvatureMatrix, MatrixName, NotFinite
from fastscape.curvature.sharpness import (
    INVARIANCES,
    MEASURES,
    Cost,
    Found,
    Surroundings,
    adaptive_worst_case,
    critical_sharpness,
    hessian_trace,
    largest_eigenvalue,
    m_sharpness,
    pac_bayes_sigma,
    pac_bayes_sigma_relative,
    random_directions,
    worst_case,
)
from fastscape.curvature.traces import traces

__all__ = [
    "INVARIANCES",
    "MEASURES",
    "Cost",
    "CurvatureMatrix",
    "Eigenpairs",
    "EigenvectorDirections",
    "Extremes",
    "Found",
    "MatrixName",
    "NotFinite",
    "Surroundings",
    "Which",
    "adaptive_worst_case",
    "check_count",
    "critical_sharpness",
    "density",
    "eigenpairs",
    "hessian_trace",
    "largest_eigenvalue",
    "m_sharpness",
    "pac_bayes_sigma",
    "pac_bayes_sigma_relative",
    "random_directions",
    "traces",
    "worst_case",
]
