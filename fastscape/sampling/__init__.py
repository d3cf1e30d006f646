"""Chooses which points are evaluated, how far an axis goes, and how many samples are enough.

Nothing here evaluates a model. It receives values, and returns what to evaluate next and how good a prediction is.
"""

from fastscape.sampling.adaptive import Refinement, Trust
from fastscape.sampling.auto_range import not_found, reach_of
from fastscape.sampling.first_exit import Scan, first_exits
from fastscape.sampling.sample_size import (
    SAMPLES_A_PART,
    Enough,
    Spread,
    joint,
    spread_of_sums,
    standard_error,
)

__all__ = [
    "SAMPLES_A_PART",
    "Enough",
    "Refinement",
    "Scan",
    "Spread",
    "Trust",
    "first_exits",
    "joint",
    "not_found",
    "reach_of",
    "spread_of_sums",
    "standard_error",
]
