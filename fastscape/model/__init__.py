"""One correct evaluation: the private replica of the user's model, its state, the data, and the measures.

A `Problem` is evaluated at every point of weight space: for given tensors it returns the sums of all measures over the
samples. Nothing here knows directions or grids.
"""

from fastscape.model.batch_norm import BATCHNORM, BatchNorm, statistics_of
from fastscape.model.batch_structure import kind as kind_of_batch
from fastscape.model.batch_structure import tensors as tensors_of_batch
from fastscape.model.by_sample import by_sample, weights_by_sample
from fastscape.model.chains import units_of
from fastscape.model.columns import Columns, with_classes
from fastscape.model.contents import standing_in
from fastscape.model.copies import twin, whole_copy
from fastscape.model.data import Batch, Data, batches_of, fixed_samples
from fastscape.model.data_sets import DataSets, data_sets_in, holds_dataset
from fastscape.model.differentiable import loss_sum, of_first_set, twice_differentiable
from fastscape.model.drawing import drawn
from fastscape.model.fingerprints import DataHash, Origin, hash_of_weights, origin_of
from fastscape.model.first_batch import telling_of_the_first_batch
from fastscape.model.footprint import Footprint
from fastscape.model.function_names import name_of, public_name
from fastscape.model.global_state import GlobalState, generators_of, settings_of
from fastscape.model.held import held
from fastscape.model.independent import Independent
from fastscape.model.lending import Lent
from fastscape.model.new_problem import problem_of
from fastscape.model.not_finite import loss_not_finite
from fastscape.model.objective import Call, Custom, Derivatives, Eigenvalues, Loss, Measure, Objective, accuracy
from fastscape.model.observed import observed
from fastscape.model.other_norms import norms_not_acted_on
from fastscape.model.pauses import at_rest, when_at_rest
from fastscape.model.places import HeldTensor, held_tensors
from fastscape.model.probes import (
    agrees_far_away,
    at_the_model,
    depends_on_batches,
    differs,
    settled,
)
from fastscape.model.problem import Measured, Problem
from fastscape.model.reading import Reading, ReadingAsked, reading_of
from fastscape.model.replica import Layers, Mode, layers_of
from fastscape.model.second_order import (
    LossOf,
    ends_in_error,
    forward_over_forward,
    leads_to_weights,
    once_differentiable,
    reverse_over_reverse,
)
from fastscape.model.shuffling import in_batches, size_of
from fastscape.model.state import Snapshot, named
from fastscape.model.thread_modes import Modes, modes_here, modes_of, set_switches, switches_here
from fastscape.model.weighing import shares_in

__all__ = [
    "BATCHNORM",
    "Batch",
    "BatchNorm",
    "Call",
    "Columns",
    "Custom",
    "Data",
    "DataHash",
    "DataSets",
    "Derivatives",
    "Eigenvalues",
    "Footprint",
    "GlobalState",
    "HeldTensor",
    "Independent",
    "Layers",
    "Lent",
    "Loss",
    "LossOf",
    "Measure",
    "Measured",
    "Mode",
    "Modes",
    "Objective",
    "Origin",
    "Problem",
    "Reading",
    "ReadingAsked",
    "Snapshot",
    "accuracy",
    "agrees_far_away",
    "at_rest",
    "at_the_model",
    "batches_of",
    "by_sample",
    "data_sets_in",
    "depends_on_batches",
    "differs",
    "drawn",
    "ends_in_error",
    "fixed_samples",
    "forward_over_forward",
    "generators_of",
    "hash_of_weights",
    "held",
    "held_tensors",
    "holds_dataset",
    "in_batches",
    "kind_of_batch",
    "layers_of",
    "leads_to_weights",
    "loss_not_finite",
    "loss_sum",
    "modes_here",
    "modes_of",
    "name_of",
    "named",
    "norms_not_acted_on",
    "observed",
    "of_first_set",
    "once_differentiable",
    "origin_of",
    "problem_of",
    "public_name",
    "reading_of",
    "reverse_over_reverse",
    "set_switches",
    "settings_of",
    "settled",
    "shares_in",
    "size_of",
    "standing_in",
    "statistics_of",
    "switches_here",
    "telling_of_the_first_batch",
    "tensors_of_batch",
    "twice_differentiable",
    "twin",
    "units_of",
    "weights_by_sample",
    "when_at_rest",
    "whole_copy",
    "with_classes",
]
