"""Measures of the sharpness of the loss around a model: one room for each kind."""

from fastscape.curvature.sharpness.ascent import (
    ADAPTIVE,
    GROUPS,
    WORST,
    adaptive_worst_case,
    m_sharpness,
    worst_case,
)
from fastscape.curvature.sharpness.critical import CRITICAL, critical_sharpness
from fastscape.curvature.sharpness.measure import INVARIANCES, About, Found
from fastscape.curvature.sharpness.pac_bayes import RELATIVE, SIGMA, pac_bayes_sigma, pac_bayes_sigma_relative
from fastscape.curvature.sharpness.random_directions import RANDOM, random_directions
from fastscape.curvature.sharpness.spectral import LARGEST, TRACE, hessian_trace, largest_eigenvalue
from fastscape.curvature.sharpness.surroundings import Along, Cost, Losses, Surroundings

__all__ = [
    "INVARIANCES",
    "MEASURES",
    "About",
    "Along",
    "Cost",
    "Found",
    "Losses",
    "Surroundings",
    "adaptive_worst_case",
    "critical_sharpness",
    "hessian_trace",
    "largest_eigenvalue",
    "m_sharpness",
    "pac_bayes_sigma",
    "pac_bayes_sigma_relative",
    "random_directions",
    "worst_case",
]

MEASURES = {
    about.name: about for about in (WORST, ADAPTIVE, GROUPS, RANDOM, SIGMA, RELATIVE, CRITICAL, LARGEST, TRACE)
}
"""Every measure, by its name."""
