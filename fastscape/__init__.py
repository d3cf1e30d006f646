"""fastscape: the loss landscape of any trained PyTorch model, quickly and correctly.

    import fastscape

    landscape = fastscape.surface(model, data)
    landscape.contour()

See `fastscape.surface`.
"""

from pathlib import Path as _Path

import fastscape.objectives as objectives
from fastscape.api import (
    align,
    barrier,
    barriers,
    basin_radius,
    connect,
    hessian,
    line,
    sharpness,
    spectrum,
    surface,
    topology,
    volume,
)
from fastscape.engine import Plan
from fastscape.landscape import Landscape
from fastscape.model import DataSets, accuracy
from fastscape.paths import Curve
from fastscape.reports import Alignment, Barrier, Barriers, BasinRadius, Sharpness, Spectrum, Topology
from fastscape.results import mixed_in as _mixed_in
from fastscape.results import warn as _warn
from fastscape.training import Recorder
from fastscape.views import animate, compare, to_html
from fastscape.weights import pca, projected, random_directions, start_to_end, through

__all__ = [
    "Alignment",
    "Barrier",
    "Barriers",
    "BasinRadius",
    "Curve",
    "DataSets",
    "Landscape",
    "Plan",
    "Recorder",
    "Sharpness",
    "Spectrum",
    "Topology",
    "accuracy",
    "align",
    "animate",
    "barrier",
    "barriers",
    "basin_radius",
    "compare",
    "connect",
    "hessian",
    "line",
    "objectives",
    "pca",
    "projected",
    "random_directions",
    "sharpness",
    "spectrum",
    "start_to_end",
    "surface",
    "through",
    "to_html",
    "topology",
    "volume",
]

__version__ = "0.1.0"

if _mixed := _mixed_in(_Path(__file__).parent):
    _warn(_mixed)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
