"""Alignment: finds the symmetries of a network by following its operations, and its best permutation.

`tracing` watches one evaluation and applies the rules of `rules_of_values`, `rules_of_sums` and `rules_of_shapes`,
which use `labels`, `relations` and `pieces` to describe the effect of each operation on units. From this `symmetry`
derives the units that may be permuted, `matching` finds the best permutation by `likeness`, and `proof` evaluates.
"""

from fastscape.paths.alignment.activations import correlations
from fastscape.paths.alignment.likeness import ActivationLikeness, WeightLikeness, permuted
from fastscape.paths.alignment.matching import matched
from fastscape.paths.alignment.proof import TOLERANCE, Traced, difference, outputs_of, sound, traced
from fastscape.paths.alignment.symmetry import Symmetry

__all__ = [
    "TOLERANCE",
    "ActivationLikeness",
    "Symmetry",
    "Traced",
    "WeightLikeness",
    "correlations",
    "difference",
    "matched",
    "outputs_of",
    "permuted",
    "sound",
    "traced",
]
