"""Weight space: which tensors move, the flat buffer that holds them, directions, norms, schemes and grids.

Every point of a landscape is a combination of the vectors of one basis. All norms follow from Gram matrices. Nothing
here evaluates a model.
"""

from fastscape.kernels import Distribution
from fastscape.weights.basis import Basis, basis_of, basis_seeded
from fastscape.weights.basis_rows import BasisRows, Rows
from fastscape.weights.checkpoints import OtherGiven, other_read, readable
from fastscape.weights.deferred import Deferred, as_kept, equal
from fastscape.weights.derivatives import check_differentiable, coefficient_rows
from fastscape.weights.directions import (
    AlongModels,
    Checkpoints,
    Direction,
    Directions,
    ModelsOfPath,
    PlaneOfModels,
    Random,
    Source,
    check_seed,
    direction_between,
    direction_given,
    direction_random,
    pca,
    projected,
    source_of,
    start_to_end,
    through,
    towards,
)
from fastscape.weights.entry import Entry
from fastscape.weights.forward_mode import jvp
from fastscape.weights.gathered import Gathered
from fastscape.weights.grid import POINTS, AlongPath, Auto, Axis, AxisSpec, Grid, axis, wanted_axis
from fastscape.weights.kept import KEEPS, Keep, kept_tensors
from fastscape.weights.layout import Layout, convolutions, in_channels_last, layout_of
from fastscape.weights.loan import Loan
from fastscape.weights.norms import NORMS, Norm, check_norm, directions_first
from fastscape.weights.other_model import (
    Other,
    bare_names,
    check_present,
    every_tensor,
    listed,
    model_given,
    named_as,
    staying,
    warn_of_other_code,
)
from fastscape.weights.packed import packed_modules
from fastscape.weights.precision import PRECISIONS, Place, Precision, dtype_of, keeps_dtypes, precision_of
from fastscape.weights.recording import FORMAT, INDEX, VERSION, Recording, Row, rows_of
from fastscape.weights.repeats import seeds_of
from fastscape.weights.resident import Resident
from fastscape.weights.schemes import LINES, SURFACES, Coefficients, Scheme, schemes_of
from fastscape.weights.selection import NamedPerturb, Perturb, owners, select, tensors_of
from fastscape.weights.sharded import (
    class_name,
    forward_abandoned,
    indices_here,
    is_sharded,
    local,
    never_gathered,
    prepared_to_run,
    resharded,
    sharing_groups,
    tensors_here,
    ungathered,
    whole,
)
from fastscape.weights.shared_directions import random_directions
from fastscape.weights.shared_memory import sharing_memory
from fastscape.weights.sharing import Sharing
from fastscape.weights.space import Space, SpaceAsked, space_of
from fastscape.weights.tensorwise import Tensorwise

__all__ = [
    "FORMAT",
    "INDEX",
    "KEEPS",
    "LINES",
    "NORMS",
    "POINTS",
    "PRECISIONS",
    "SURFACES",
    "VERSION",
    "AlongModels",
    "AlongPath",
    "Auto",
    "Axis",
    "AxisSpec",
    "Basis",
    "BasisRows",
    "Checkpoints",
    "Coefficients",
    "Deferred",
    "Direction",
    "Directions",
    "Distribution",
    "Entry",
    "Gathered",
    "Grid",
    "Keep",
    "Layout",
    "Loan",
    "ModelsOfPath",
    "NamedPerturb",
    "Norm",
    "Other",
    "OtherGiven",
    "Perturb",
    "Place",
    "PlaneOfModels",
    "Precision",
    "Random",
    "Recording",
    "Resident",
    "Row",
    "Rows",
    "Scheme",
    "Sharing",
    "Source",
    "Space",
    "SpaceAsked",
    "Tensorwise",
    "as_kept",
    "axis",
    "bare_names",
    "basis_of",
    "basis_seeded",
    "check_differentiable",
    "check_norm",
    "check_present",
    "check_seed",
    "class_name",
    "coefficient_rows",
    "convolutions",
    "direction_between",
    "direction_given",
    "direction_random",
    "directions_first",
    "dtype_of",
    "equal",
    "every_tensor",
    "forward_abandoned",
    "in_channels_last",
    "indices_here",
    "is_sharded",
    "jvp",
    "keeps_dtypes",
    "kept_tensors",
    "layout_of",
    "listed",
    "local",
    "model_given",
    "named_as",
    "never_gathered",
    "other_read",
    "owners",
    "packed_modules",
    "pca",
    "precision_of",
    "prepared_to_run",
    "projected",
    "random_directions",
    "readable",
    "resharded",
    "rows_of",
    "schemes_of",
    "seeds_of",
    "select",
    "sharing_groups",
    "sharing_memory",
    "source_of",
    "space_of",
    "start_to_end",
    "staying",
    "tensors_here",
    "tensors_of",
    "through",
    "towards",
    "ungathered",
    "wanted_axis",
    "warn_of_other_code",
    "whole",
]
