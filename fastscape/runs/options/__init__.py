"""The options of `surface`, `line`, `Landscape.reproduce` and the commands, each once: name, type, default, meaning.

The files follow the questions of a user: what is measured, where, how exactly, how it runs. A function shows the
options through `fastscape.results.documented`, a command through `fastscape.cli.options`.
"""

from fastscape.results import options_of
from fastscape.runs.options.aligned import AlignOptions
from fastscape.runs.options.basins import BasinOptions
from fastscape.runs.options.connecting import ConnectOptions
from fastscape.runs.options.elsewhere import NOT_OF_BARRIER, NOT_OF_LINE, NOT_OF_SURFACE
from fastscape.runs.options.ends import BarrierOptions
from fastscape.runs.options.exactly import ExactnessOptions, ToleranceOptions
from fastscape.runs.options.measured import MeasureFunctions, MeasureOptions
from fastscape.runs.options.point import HessianOptions, PointOptions, SpectrumOptions
from fastscape.runs.options.running import MachineOptions, RunOptions
from fastscape.runs.options.sharp import SharpnessOptions
from fastscape.runs.options.where import (
    CUBE,
    DirectionOptions,
    OtherModel,
    RandomOptions,
    SecondAxis,
    VolumeAxes,
    WhereOptions,
)

__all__ = [
    "CUBE",
    "NOT_OF_BARRIER",
    "NOT_OF_LINE",
    "NOT_OF_SURFACE",
    "RECORDED",
    "USUAL",
    "AlignOptions",
    "BarrierOptions",
    "BasinOptions",
    "ConnectOptions",
    "HessianOptions",
    "LineOptions",
    "PointOptions",
    "ReproduceOptions",
    "SharpnessOptions",
    "SpectrumOptions",
    "SurfaceOptions",
    "VolumeOptions",
]


class SurfaceOptions(
    MeasureOptions, WhereOptions, SecondAxis, ExactnessOptions, ToleranceOptions, RunOptions, total=False
):
    """The options of a surface."""


class LineOptions(MeasureOptions, WhereOptions, OtherModel, ExactnessOptions, RunOptions, total=False):
    """The options of a line."""


class VolumeOptions(
    MeasureOptions,
    DirectionOptions,
    VolumeAxes,
    RandomOptions,
    ExactnessOptions,
    ToleranceOptions,
    RunOptions,
    total=False,
):
    """The options of a landscape of any number of axes."""


class ReproduceOptions(MeasureFunctions, DirectionOptions, OtherModel, MachineOptions, total=False):
    """The options that the report of a landscape cannot hold."""


RECORDED = {name: option.recorded for name, (_, option) in options_of(SurfaceOptions).items() if option.recorded}
"""The options that determine the values and that a report keeps unchanged, with their names in the report."""

USUAL = {option.recorded: option.default for _, option in options_of(SurfaceOptions).values() if option.recorded}
"""The values to assume for options that a report does not name: an option added later had its default."""
