"""The options of `topology`."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from fastscape.results import Option

__all__ = ["TopologyOptions"]

WHAT, TRUST = "Measure and features", "Errors"


class TopologyOptions(TypedDict, total=False):
    """Options of the topology of a landscape."""

    measure: Annotated[
        str, Option("loss", 'Which measure: "loss" or the name of a metric. Default "loss".', WHAT, str)
    ]
    log: Annotated[
        bool | None,
        Option(
            None,
            "Whether heights are log10 of the values, as pictures draw them. Default: for a loss that is nowhere "
            "negative, yes.",
            WHAT,
            bool,
        ),
    ]
    threshold: Annotated[
        float,
        Option(
            0.05,
            "A basin up to this depth counts to the basin on the other side of its saddle; a fraction of the range of "
            "the heights. Default 0.05.",
            WHAT,
            float,
        ),
    ]
    dimensions: Annotated[
        Sequence[int],
        Option(
            (0,),
            "Features whose pairs of birth and death are computed: 0 for basins, 1 for loops, 2 for voids, and so "
            "on, each below the number of axes. Features from 1 on need gudhi. Default (0,).",
            WHAT,
        ),
    ]
    confidence: Annotated[
        float,
        Option(
            0.95,
            "The confidence of the band of the errors by samples and directions, for the heights of all points at "
            "once. Default 0.95.",
            TRUST,
            float,
        ),
    ]
    error: Annotated[
        float | None,
        Option(
            None,
            "Half-width of the band, in heights. Default: the sum of the errors that the landscape has for its "
            "samples, directions and predictions.",
            TRUST,
            float,
        ),
    ]
