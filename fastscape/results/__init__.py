"""Plain values at the ground of the house: named axes, measures on their grid, and the report of how they were made.

Here are the values themselves, their heights on a log scale, and every file format that holds them; and the few tools
that every wing needs: options that are written once, whole writes, warnings. Nothing here knows a model.
"""

from fastscape.results.atomic import write_whole
from fastscape.results.checks import check_values, clipped, parsed
from fastscape.results.formats import exported, loaded, saved
from fastscape.results.formats.npz import check_path
from fastscape.results.formats.xarray import to_xarray
from fastscape.results.optional import package
from fastscape.results.options import Option, among, chosen, documented, options_of, with_defaults
from fastscape.results.other_project import mixed_in
from fastscape.results.scale import heights, logarithms
from fastscape.results.spectrum import Density, Estimate, LayerCurvature, SpectrumValues
from fastscape.results.trajectory import Trajectory
from fastscape.results.values import AXES, Values
from fastscape.results.warning import warn

__all__ = [
    "AXES",
    "Density",
    "Estimate",
    "LayerCurvature",
    "Option",
    "SpectrumValues",
    "Trajectory",
    "Values",
    "among",
    "check_path",
    "check_values",
    "chosen",
    "clipped",
    "documented",
    "exported",
    "heights",
    "loaded",
    "logarithms",
    "mixed_in",
    "options_of",
    "package",
    "parsed",
    "saved",
    "to_xarray",
    "warn",
    "with_defaults",
    "write_whole",
]
