"""Curvature of the loss at one point of weight space: matrices by their products, eigenpairs, traces and densities.

Everything is of the mean loss over the samples, of the model's own state, in batches as they are given.
"""

from fastscape.curvature.densities import density
from fastscape.curvature.directions import EigenvectorDirections
from fastscape.curvature.eigenpairs import Eigenpairs, Which, check_count, eigenpairs
from fastscape.curvature.matrices import CurvatureMatrix, MatrixName
from fastscape.curvature.traces import traces

__all__ = [
    "CurvatureMatrix",
    "Eigenpairs",
    "EigenvectorDirections",
    "MatrixName",
    "Which",
    "check_count",
    "density",
    "eigenpairs",
    "traces",
]
