"""Carries out one run, from a request to values: options, schedule, stores, processes, signals and the report.

`computed(request)` runs the steps of a call in order, and `options/` defines every option once.
"""

from fastscape.runs.alignment import alignment_of
from fastscape.runs.barriers import ModelGiven, barrier_of, barriers_of
from fastscape.runs.basins import basin_of
from fastscape.runs.connecting import curve_between
from fastscape.runs.environment import environment, peak_megabytes
from fastscape.runs.options import (
    CUBE,
    AlignOptions,
    BarrierOptions,
    BasinOptions,
    ConnectOptions,
    HessianOptions,
    LineOptions,
    ReproduceOptions,
    SharpnessOptions,
    SpectrumOptions,
    SurfaceOptions,
    VolumeOptions,
)
from fastscape.runs.reproduction import reproduced
from fastscape.runs.request import line_request, surface_request
from fastscape.runs.run import computed
from fastscape.runs.sharpness import sharpness_of
from fastscape.runs.spectra import eigenvectors_of, spectrum_of
from fastscape.runs.store import read_store
from fastscape.runs.volumes import volume_request

__all__ = [
    "CUBE",
    "AlignOptions",
    "BarrierOptions",
    "BasinOptions",
    "ConnectOptions",
    "HessianOptions",
    "LineOptions",
    "ModelGiven",
    "ReproduceOptions",
    "SharpnessOptions",
    "SpectrumOptions",
    "SurfaceOptions",
    "VolumeOptions",
    "alignment_of",
    "barrier_of",
    "barriers_of",
    "basin_of",
    "computed",
    "curve_between",
    "eigenvectors_of",
    "environment",
    "line_request",
    "peak_megabytes",
    "read_store",
    "reproduced",
    "sharpness_of",
    "spectrum_of",
    "surface_request",
    "volume_request",
]
