"""Curves of low loss between models, and permutations that bring one model closest to another.

A curve holds plain tensors by name. Lines and planes, which evaluate the loss along it, are in other packages. The
user's models are never changed.
"""

from fastscape.paths.alignment import (
    TOLERANCE,
    ActivationLikeness,
    Symmetry,
    Traced,
    WeightLikeness,
    correlations,
    difference,
    matched,
    outputs_of,
    permuted,
    sound,
    traced,
)
from fastscape.paths.batches import Batches
from fastscape.paths.curves import Curve
from fastscape.paths.keeping import CURVE, Keeping
from fastscape.paths.shapes import SHAPES, ShapeName
from fastscape.paths.training import MakesOptimizer, MakesScheduler, Moving, Task, started, stepped

__all__ = [
    "CURVE",
    "SHAPES",
    "TOLERANCE",
    "ActivationLikeness",
    "Batches",
    "Curve",
    "Keeping",
    "MakesOptimizer",
    "MakesScheduler",
    "Moving",
    "ShapeName",
    "Symmetry",
    "Task",
    "Traced",
    "WeightLikeness",
    "correlations",
    "difference",
    "matched",
    "outputs_of",
    "permuted",
    "sound",
    "started",
    "stepped",
    "traced",
]
