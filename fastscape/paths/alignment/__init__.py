"""Alignment: the symmetries of a network, found by following its operations, and the best of its permutations.

`tracing` watches one evaluation and applies the rules of `rules_of_values`, `rules_of_sums` and `rules_of_shapes`,
which say by `labels`, `relations` and `pieces` what each operation does to units; `symmetry` makes of it what may
change places, `matching` finds the best by `likeness`, and `proof` evaluates.
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
