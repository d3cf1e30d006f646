"""The options of `sharpness`."""

from collections.abc import Sequence
from typing import Annotated

from fastscape.curvature import MEASURES
from fastscape.results import Option, among
from fastscape.runs.options.point import GROUP, PointOptions

__all__ = ["SharpnessOptions"]

WHICH = "Which measures"


class SharpnessOptions(PointOptions, total=False):
    """The options of `sharpness` alone."""

    measures: Annotated[
        "Sequence[str] | None",
        Option(
            None,
            f"Names of the measures: {among(MEASURES).replace(' or ', ' and ')}. Default: all of them.",
            WHICH,
            list[str],
        ),
    ]
    rho: Annotated[
        float,
        Option(
            0.05,
            "Radius of the ball of worst_case and m_sharpness, in units of weights. Default 0.05.",
            WHICH,
            float,
        ),
    ]
    adaptive_rho: Annotated[
        float,
        Option(
            0.5,
            "Radius of the ellipsoid of adaptive_worst_case, relative to the weights. Default 0.5.",
            WHICH,
            float,
        ),
    ]
    m: Annotated[int, Option(64, "Number of samples per group of m_sharpness. Default 64.", WHICH, int)]
    radii: Annotated[
        Sequence[float],
        Option(
            (0.1, 0.3),
            "Distances along the random directions, each a measure of its own, named random_directions_0.1. Default "
            "(0.1, 0.3).",
            WHICH,
            list[float],
        ),
    ]
    increase: Annotated[
        float,
        Option(0.1, "Rise of the mean loss under the noise of pac_bayes_sigma. Default 0.1.", WHICH, float),
    ]
    steps: Annotated[
        int, Option(10, "Number of gradient steps per ascent of the worst cases, at least 1. Default 10.", GROUP, int)
    ]
    restarts: Annotated[
        int,
        Option(
            3,
            "Number of starts of an ascent, at least 1: the model itself, and random points of the sphere. Default 3.",
            GROUP,
            int,
        ),
    ]
    directions: Annotated[
        int,
        Option(
            16,
            "Number of random directions for random_directions and for the noise, each with both signs; at least 2. "
            "The standard error follows from their spread. Default 16.",
            GROUP,
            int,
        ),
    ]
    probes: Annotated[int, Option(32, "Number of random vectors for the trace, at least 4. Default 32.", GROUP, int)]
