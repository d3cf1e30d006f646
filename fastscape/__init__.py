"""fastscape: the loss landscape of any trained PyTorch model, quickly and correctly.

    import fastscape

    landscape = fastscape.surface(model, data)
    landscape.contour()

See `fastscape.surface`.
"""

from fastscape.api import line, surface
from fastscape.objective import accuracy
from fastscape.plan import Plan
from fastscape.result import Landscape
from fastscape.series import common_directions

__all__ = ["Landscape", "Plan", "accuracy", "common_directions", "line", "surface"]

__version__ = "0.1.0"
