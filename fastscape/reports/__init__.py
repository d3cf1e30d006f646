"""What is known of models besides landscapes: plain values, with methods that each lead into one wing of the house."""

from fastscape.reports.between import Alignment, Barrier, Barriers, BarriersBeside
from fastscape.reports.point import BasinRadius, Sharpness, SideBySide, Spectrum
from fastscape.reports.topology import Topology

__all__ = [
    "Alignment",
    "Barrier",
    "Barriers",
    "BarriersBeside",
    "BasinRadius",
    "Sharpness",
    "SideBySide",
    "Spectrum",
    "Topology",
]
