"""Plain values, on which all other wings build: named axes, measures on their grid, and the report of a run.

This wing has the values themselves, their heights on a log scale, and every file format that holds them. It also has
the few tools that every wing needs: options that are defined once, atomic writes, warnings. It knows no models.
"""

from fastscape.results.alignment import AlignmentValues, Permutation
from fastscape.results.atomic import write_whole
from fastscape.results.axes import MOST_AXES, axis_names
from fastscape.results.barrier import BarrierValues
from fastscape.results.barriers import BarriersValues, WhichExcess
from fastscape.results.basin import BasinValues, RadiusUnit
from fastscape.results.checks import check_values, clipped, parsed
from fastscape.results.curvature import (
    EIGENVALUES,
    derivative_names,
    gaussian_curvature,
    gradient,
    hessian,
    hessian_eigenvalues,
    mean_curvature,
    with_curvature,
)
from fastscape.results.excess import (
    EXCESS_ERRORS,
    Excess,
    MeasureBarrier,
    excess_over_chord,
    farthest_points,
    not_finite_said,
)
from fastscape.results.features import Basin, Pair
from fastscape.results.formats import exported, loaded, saved
from fastscape.results.formats.xarray import to_xarray
from fastscape.results.json_files import plain_json
from fastscape.results.missing_files import check_file
from fastscape.results.optional import package
from fastscape.results.options import Option, among, chosen, documented, options_of, with_defaults
from fastscape.results.order_statistics import Interval
from fastscape.results.other_project import mixed_in
from fastscape.results.regions import Extent, at_edge, cell_sizes, extent_of
from fastscape.results.repeats import along_each, mean_over_repeats
from fastscape.results.scale import colour_ends, heights, is_loss, logarithms, signed
from fastscape.results.sections import SECTIONS, How, projection_of, slice_of
from fastscape.results.shares import SHARES, binomial_error, wilson_interval
from fastscape.results.sharpness import SharpnessValue, SharpnessValues, check_alike
from fastscape.results.spectrum import Density, Estimate, LayerCurvature, SpectrumValues
from fastscape.results.topology import TopologyValues
from fastscape.results.trajectory import Trajectory
from fastscape.results.values import REPEAT, Values
from fastscape.results.warning import warn

__all__ = [
    "EIGENVALUES",
    "EXCESS_ERRORS",
    "MOST_AXES",
    "REPEAT",
    "SECTIONS",
    "SHARES",
    "AlignmentValues",
    "BarrierValues",
    "BarriersValues",
    "Basin",
    "BasinValues",
    "Density",
    "Estimate",
    "Excess",
    "Extent",
    "How",
    "Interval",
    "LayerCurvature",
    "MeasureBarrier",
    "Option",
    "Pair",
    "Permutation",
    "RadiusUnit",
    "SharpnessValue",
    "SharpnessValues",
    "SpectrumValues",
    "TopologyValues",
    "Trajectory",
    "Values",
    "WhichExcess",
    "along_each",
    "among",
    "at_edge",
    "axis_names",
    "binomial_error",
    "cell_sizes",
    "check_alike",
    "check_file",
    "check_values",
    "chosen",
    "clipped",
    "colour_ends",
    "derivative_names",
    "documented",
    "excess_over_chord",
    "exported",
    "extent_of",
    "farthest_points",
    "gaussian_curvature",
    "gradient",
    "heights",
    "hessian",
    "hessian_eigenvalues",
    "is_loss",
    "loaded",
    "logarithms",
    "mean_curvature",
    "mean_over_repeats",
    "mixed_in",
    "not_finite_said",
    "options_of",
    "package",
    "parsed",
    "plain_json",
    "projection_of",
    "saved",
    "signed",
    "slice_of",
    "to_xarray",
    "warn",
    "wilson_interval",
    "with_curvature",
    "with_defaults",
    "write_whole",
]
