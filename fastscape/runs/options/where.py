"""The options of the grid: axes, directions, and what moves of the model."""

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
    OtherGiven,
    Perturb,
    Scheme,
    Source,
)

__all__ = ["CUBE", "DirectionOptions", "OtherModel", "RandomOptions", "SecondAxis", "VolumeAxes", "WhereOptions"]

GROUP = "Where"

Segment = tuple[float, float, int]  # on the command line: start, stop, count
CUBE = (-1.0, 1.0, 21)  # an axis of a volume, if only the number of axes is given


class DirectionOptions(TypedDict, total=False):
    """Directions and scheme, which a report cannot always hold."""

    directions: Annotated[
        "Sequence[Direction] | Source | Tensor | np.ndarray | None",
        Option(
            None,
            "One direction per axis: a module of the same architecture (which is at coordinate 1 of its axis), a dict "
            "of tensors by parameter name, a list of tensors in the order of the parameters that move, or all their "
            "entries as a vector or array; or such vectors as the rows of one tensor or array [axes, P]; or a source "
            "of directions, such as `fastscape.pca(checkpoints)` or `fastscape.hessian(model, data)`, see "
            "`fastscape.weights.Source`. A dict is the direction itself, so the state dict of another model is "
            "refused. Default: random directions.",
            GROUP,
            again="random directions, if the report says so",
        ),
    ]
    scheme: Annotated[
        "str | Scheme | Coefficients | None",
        Option(
            None,
            f"How coordinates combine theta and the directions: on a surface {among(SURFACES)}, on a line "
            f'{among(LINES)}, with more axes "plane". See `fastscape.weights.schemes`. In Python also a function '
            "`(gram, alpha, beta) -> coefficients`, for a line `(gram, alpha)`, with one more argument per further "
            'axis, or a `fastscape.weights.Scheme`. Default "plane", the sum; "line" along a random direction on a '
            "`line`.",
            GROUP,
            str,
            again="the scheme in the report, if it has one of these names",
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
            "count)`: from -r to r, where r is the distance at which the loss has risen to ten times its value at the "
            'centre, see `fastscape.sampling.reach_of`; or "path" or `("path", count)`: the range of the paths that '
            "come with the directions, plus a margin. Default: 51 points from -1 to 1, or along the path if the "
            "directions are made from checkpoints.",
            GROUP,
            Segment,
        ),
    ]


class RandomOptions(TypedDict, total=False):
    """What moves, the lengths of the directions, and how random directions are drawn."""

    normalize: Annotated[
        Norm | None,
        Option(
            None,
            f"Norm of the directions: {among(NORMS)}. See `fastscape.weights.NORMS`. Default: the norm of the scheme "
            'for random directions ("filter" for a plane, "none" for a line), "none" for given directions.',
            GROUP,
            str,
        ),
    ]
    perturb: Annotated[
        "Perturb | None",
        Option(
            None,
            'What moves: "weights" (parameters of two or more dimensions), "weights+bias", "all" or "states". In '
            'Python also `f(name, parameter) -> bool`. Default: "weights"; "states" if a direction leads to another '
            "model, which is only reached when everything moves.",
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
            "a given plan, also the same bits. Default 0.",
            GROUP,
            int,
        ),
    ]
    repeats: Annotated[
        int,
        Option(
            1,
            "How many times random directions are drawn: one draw proves nothing about other directions. The values "
            "are the means over the repeats, `Landscape.repeats` has the values of each repeat, and `quantiles`, "
            "`spread` and `direction_error` say how far the repeats differ. Repeat r has the directions of the seed "
            "`report['seeds'][r]`, and repeat 0 the directions of the call without repeats. Repeat 0 sets the range "
            'of an "auto" axis. Repeats are evaluated one after the other: memory holds weights and directions twice, '
            "for any number of repeats. Default 1.",
            GROUP,
            int,
        ),
    ]


class WhereOptions(DirectionOptions, FirstAxis, RandomOptions, total=False):
    """The options of the grid of a line or a plane."""


class VolumeAxes(TypedDict, total=False):
    """The axes of a volume."""

    axes: Annotated[
        "int | Sequence[AxisSpec]",
        Option(
            3,
            "Number of axes, each with 21 points from -1 to 1, or along the path if the directions are made from "
            "checkpoints; or a list with one entry per axis: a tuple of start, stop and count, increasing coordinates "
            '[n] as a list or array, or "auto", `("auto", count)`, "path", `("path", count)`, all as for `x` of '
            "`surface`. The size of the grid is the product of the counts: every axis multiplies the cost. Default 3.",
            GROUP,
        ),
    ]


class SecondAxis(TypedDict, total=False):
    """The second axis, of a plane."""

    y: Annotated[
        "AxisSpec",
        Option(
            (-1.0, 1.0, 51),
            "Axis along the second direction, like x. Default: 51 points from -1 to 1.",
            GROUP,
            Segment,
            beside="x",
        ),
    ]


class OtherModel(TypedDict, total=False):
    """The end of a line."""

    to: Annotated[
        "OtherGiven | None",
        Option(
            None,
            "Another model of the same architecture, which is at coordinate 1: a module, also wrapped "
            "(`DataParallel`, `AveragedModel`, `torch.compile`), its state dict, or the path of a file with one. "
            "Default: none.",
            GROUP,
            Path,
            again="none, needed if the report says so",
        ),
    ]
    along: Annotated[
        "Curve | None",
        Option(
            None,
            "A curve between two models, as `fastscape.connect` returns it. x is t on the curve, by default 51 points "
            "from 0 to 1, and the model must be the first model of the curve. Statistics of batch normalisation are "
            "estimated again at every point, unless `batchnorm` is given. Default: none.",
            GROUP,
            again="none, needed if the report says so",
        ),
    ]
