"""One evaluation, right: the private replica of the user's model, its state, the data, and what is measured on them.

A `Problem` is what is evaluated at every point of weight space: it says the sums of all measures over the samples
for given tensors. Nothing here knows directions or grids.
"""

from fastscape.model.batch_norm import BATCHNORM, BatchNorm
from fastscape.model.data import Batch, Data, batches_of, fixed_samples
from fastscape.model.fingerprints import DataHash, Origin, hash_of_weights, origin_of
from fastscape.model.global_state import generators_of, global_state_kept, seed_everything
from fastscape.model.objective import Custom, Measure, Objective, accuracy, name_of, public_name
from fastscape.model.probes import at_the_model, batch_dependence, depends_on_batches
from fastscape.model.problem import Measured, Problem, problem_of
from fastscape.model.reading import Reading, ReadingAsked, reading_of
from fastscape.model.replica import Layers, Mode, layers_of, twin

__all__ = [
    "BATCHNORM",
    "Batch",
    "BatchNorm",
    "Custom",
    "Data",
    "DataHash",
    "Layers",
    "Measure",
    "Measured",
    "Mode",
    "Objective",
    "Origin",
    "Problem",
    "Reading",
    "ReadingAsked",
    "accuracy",
    "at_the_model",
    "batch_dependence",
    "batches_of",
    "depends_on_batches",
    "fixed_samples",
    "generators_of",
    "global_state_kept",
    "hash_of_weights",
    "layers_of",
    "name_of",
    "origin_of",
    "problem_of",
    "public_name",
    "reading_of",
    "seed_everything",
    "twin",
]
