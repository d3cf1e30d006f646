"""fastscape: the loss landscape of any trained PyTorch model, quickly and correctly.

    import fastscape

    landscape = fastscape.surface(model, data)
    landscape.contour()

See `fastscape.surface`.
"""

from pathlib import Path as _Path

from fastscape.api import hessian, line, sharpness, spectrum, surface
from fastscape.engine import Plan
from fastscape.landscape import Landscape
from fastscape.model import DataSets, accuracy
from fastscape.reports import Sharpness, Spectrum
from fastscape.results import mixed_in as _mixed_in
from fastscape.results import warn as _warn
from fastscape.training import Recorder
from fastscape.views import animate, compare, to_html
from fastscape.weights import pca, projected, random_directions, start_to_end, through

__all__ = [
    "DataSets",
    "Landscape",
    "Plan",
    "Recorder",
    "Sharpness",
    "Spectrum",
    "accuracy",
    "animate",
    "compare",
    "hessian",
    "line",
    "pca",
    "projected",
    "random_directions",
    "sharpness",
    "spectrum",
    "start_to_end",
    "surface",
    "through",
    "to_html",
]

__version__ = "0.1.0"

if _mixed := _mixed_in(_Path(__file__).parent):
    _warn(_mixed)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
