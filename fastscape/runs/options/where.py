"""Where: the axes, the directions along them, and what of the model moves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypedDict

import numpy as np
from torch import Tensor

from fastscape.paths import Curve
from fastscape.results import Option, among
from fastscape.weights import (
    LINES,
    NORMS,
    SURFACES,
    AxisSpec,
    Coefficients,
    Direction,
    Distribution,
    Norm,
    Other,
    Perturb,
    Scheme,
    Source,
)

__all__ = ["CUBE", "DirectionOptions", "OtherModel", "RandomOptions", "SecondAxis", "VolumeAxes", "WhereOptions"]

GROUP = "Where"

Segment = tuple[float, float, int]  # of a command: start, stop, count
CUBE = (-1.0, 1.0, 21)  # an axis of a volume, where nobody says more than how many there are


class DirectionOptions(TypedDict, total=False):
    """Directions and scheme, which a report may not hold."""

    directions: Annotated[
        "Sequence[Direction] | Source | Tensor | np.ndarray | None",
        Option(
            None,
            "One direction for each axis: a module of the same architecture (which then lies at coordinate 1 of its "
            "axis), a dict of tensors by parameter name, a list of tensors in the order of what moves, or all of "
            "their entries as a vector or array; or such vectors as the rows of one tensor or array [axes, P]; or a "
            "source of directions, such as `fastscape.pca(checkpoints)` or `fastscape.hessian(model, data)`, see "
            "`fastscape.weights.Source`. A dict is the direction itself, so the state dict of another model is "
            "refused. Default: random ones.",
            GROUP,
            again="random ones, if the report says so",
        ),
    ]
    scheme: Annotated[
        "str | Scheme | Coefficients | None",
        Option(
            None,
            f"How coordinates combine theta and the directions: on a surface {among(SURFACES)}, on a line "
            f'{among(LINES)}, with more axes "plane". See `fastscape.weights.schemes`. In Python also a function '
            "`(gram, alpha, beta) -> coefficients`, of a line `(gram, alpha)`, of three axes with one coordinate more "
            'and so on, or a `fastscape.weights.Scheme`. Default "plane", the sum; "line" along a random direction on '
            "a `line`.",
            GROUP,
            str,
            again="that of the report, if it has one of these names",
        ),
    ]


class FirstAxis(TypedDict, total=False):
    """The first axis, of a line or a plane."""

    x: Annotated[
        "AxisSpec",
        Option(
            (-1.0, 1.0, 51),
            "Axis along the first direction: start, stop and count. In Python a tuple of the three, or increasing "
            'coordinates [H] as a list or array, in units of the normalised direction; or "auto" or `("auto", '
            "count)`: from -r to r, where r is as far as the loss takes to rise to ten times that at the centre, "
            'see `fastscape.sampling.reach_of`; or "path" or `("path", count)`: what holds the paths that the '
            "directions bring, with a margin. Default: 51 from -1 to 1, or along the path of directions that are made "
            "from checkpoints.",
            GROUP,
            Segment,
        ),
    ]


class RandomOptions(TypedDict, total=False):
    """What moves, along directions of which lengths, and how random ones are drawn."""

    normalize: Annotated[
        Norm | None,
        Option(
            None,
            f"Norm of the directions: {among(NORMS)}. See `fastscape.weights.NORMS`. Default: the scheme's own for "
            'random directions ("filter" for a plane, "none" for a line), "none" for others.',
            GROUP,
            str,
        ),
    ]
    perturb: Annotated[
        "Perturb | None",
        Option(
            None,
            'What moves: "weights" (parameters of two or more dimensions), "weights+bias", "all" or "states". In '
            'Python also `f(name, parameter) -> bool`. Default: "weights", and "states" when a direction leads to '
            "another model, which is only reached when all of it moves.",
            GROUP,
            str,
        ),
    ]
    distribution: Annotated[
        Distribution,
        Option(
            "normal",
            'Distribution of random directions: "normal", "uniform" (from 0 to 1) or "rademacher" (-1 or 1). Default '
            '"normal".',
            GROUP,
            str,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            0,
            "Seed of random directions, an integer from 0 to 2^64 - 1. The same seed gives the same directions; with "
            "a plan that is given, also the same bits. Default 0.",
            GROUP,
            int,
        ),
    ]
    repeats: Annotated[
        int,
        Option(
            1,
            "How many times random directions are drawn: one proves nothing of others. The values are the means over "
            "them, `Landscape.repeats` has those along each, and `quantiles`, `spread` and `direction_error` say how "
            "far they differ. Repeat r has the directions of the seed `report['seeds'][r]`, and repeat 0 those of the "
            'call without repeats. An "auto" axis goes as far as for repeat 0. They are evaluated one after the '
            "other: in memory are weights and directions twice, however many repeats there are. Default 1.",
            GROUP,
            int,
        ),
    ]


class WhereOptions(DirectionOptions, FirstAxis, RandomOptions, total=False):
    """Where lines and planes lie."""


class VolumeAxes(TypedDict, total=False):
    """The axes of a volume."""

    axes: Annotated[
        "int | Sequence[AxisSpec]",
        Option(
            3,
            "How many axes there are, each then of 21 points from -1 to 1, or along the path of directions that are "
            "made from checkpoints; or a list with one entry for each axis: a tuple of start, stop and count, "
            'increasing coordinates [n] as a list or array, or "auto", `("auto", count)`, "path", `("path", count)`, '
            "all as `x` of `surface`. The grid has the product of their counts: every axis multiplies what it costs. "
            "Default 3.",
            GROUP,
        ),
    ]


class SecondAxis(TypedDict, total=False):
    """The second axis, of a plane."""

    y: Annotated[
        "AxisSpec",
        Option(
            (-1.0, 1.0, 51),
            "Axis along the second direction, like x. Default: 51 from -1 to 1.",
            GROUP,
            Segment,
            beside="x",
        ),
    ]


class OtherModel(TypedDict, total=False):
    """Where a line leads."""

    to: Annotated[
        "Other | None",
        Option(
            None,
            "Another model of the same architecture, which then lies at coordinate 1: a module, also wrapped "
            "(`DataParallel`, `AveragedModel`, `torch.compile`), or its state dict. Default: none.",
            GROUP,
            Path,
            again="none, needed if the report says so",
        ),
    ]
    along: Annotated[
        "Curve | None",
        Option(
            None,
            "A curve between two models, as `fastscape.connect` returns it: x is its t then, by default 51 points "
            "from 0 to 1, the model has to be its first one, and statistics of batch normalisation are estimated anew "
            "at every point, unless `batchnorm` says another thing. Default: none.",
            GROUP,
            again="none, needed if the report says so",
        ),
    ]
