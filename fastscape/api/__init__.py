"""The public calls: what they compute, take and return. `fastscape.runs` does the work."""

from fastscape.api.around import hessian, line, sharpness, spectrum, surface
from fastscape.api.basins import basin_radius
from fastscape.api.between import align, barrier, barriers, connect
from fastscape.api.topologies import topology
from fastscape.api.volumes import volume

__all__ = [
    "align",
    "barrier",
    "barriers",
    "basin_radius",
    "connect",
    "hessian",
    "line",
    "sharpness",
    "spectrum",
    "surface",
    "topology",
    "volume",
]
