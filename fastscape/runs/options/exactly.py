"""The options of accuracy: the precision of numbers, and how few samples or points are enough."""

from typing import Annotated, Literal, TypedDict

from fastscape.results import Option

__all__ = ["ExactnessOptions", "ToleranceOptions"]

GROUP = "How exactly"

PrecisionName = Literal["float64", "float32", "bfloat16", "float16"]


class ExactnessOptions(TypedDict, total=False):
    """The options for the accuracy of each point."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'Precision of weights and activations: "float32" (never TF32), "float64", "bfloat16", or on a GPU '
            '"float16". Losses are computed from outputs in float32 or float64, and sums over samples are float64. '
            "The report gives the error of a reduced precision at five grid points, as a fraction of the largest loss "
            "there. Complex tensors are complex128 in float64, else complex64. Default: the precision of the model, "
            "tensor by tensor.",
            GROUP,
            str,
            recorded="precision",
        ),
    ]
    target_standard_error: Annotated[
        float | None,
        Option(
            None,
            "Stop reading data once the standard error of the mean loss is at most this fraction of the range at "
            "every grid point, for example 0.01. Tensors and Datasets are read in a random order (seed 0); shuffle a "
            "DataLoader or an iterable yourself. The error is checked after every part of `stream_samples` samples, "
            "by default 256, from the second part and 100 samples on. Points whose loss is not finite do not count. "
            "With a tolerance, only some points spread over the grid are checked, and the surface is computed from "
            "the samples read so far. The losses of single samples must be known, as for a loss of torch or one value "
            "per sample. The report says how many samples were used and whether the target was met. Default: all data "
            "are read.",
            GROUP,
            float,
            formerly="standard_error",
            sentences=2,
        ),
    ]


class ToleranceOptions(TypedDict, total=False):
    """The options for the accuracy of a surface between points."""

    tolerance: Annotated[
        float | None,
        Option(
            None,
            "Evaluate only some of the points, chosen round by round, and predict the remaining points within this "
            "error, for example 0.005: root mean square over the grid, as a fraction of the range, estimated on "
            "held-out points. `Landscape.evaluated` marks the evaluated points, and the report has the estimates. 0 "
            "evaluates all points, coarse points first. Features smaller than the gaps between the evaluated points "
            "(`widest_gap` in the report) cannot be seen. The error is the error of the loss; metrics are predicted "
            "too. Default: none.",
            GROUP,
            float,
        ),
    ]
    tolerance_scale: Annotated[
        Literal["log10", "linear"],
        Option(
            "log10",
            'Scale on which the tolerance is measured: "log10" of the loss, as in pictures, unless a loss is '
            'negative; or "linear", the loss itself. The report has the scale. Default "log10".',
            GROUP,
            str,
            formerly="log",
        ),
    ]
    topology: Annotated[
        bool | float,
        Option(
            False,
            "With a tolerance, continue until every basin deeper than this fraction of the range is certain: its "
            "minimum and the saddle at which it joins a deeper basin are known as well as the surface, and the "
            "expected errors leave no room for a further basin. True is 0.05. The report counts the pairs of a "
            "minimum and a saddle, and says whether any pair is in doubt. Default False: only the mean error counts.",
            GROUP,
            float,
        ),
    ]
    draw_samples: Annotated[
        int | Literal["auto"],
        Option(
            "auto",
            "With a tolerance, evaluate this many random samples (seed 0) at the chosen points, and all samples at a "
            "few of them: the difference between the two means is small and smooth, and is interpolated. Held-out "
            "points measure the error of the sum. `Landscape.evaluated` is true where all samples were evaluated, and "
            "the report counts both kinds of points. A batch that cannot be divided is drawn as a whole. 0 evaluates "
            'all samples at every chosen point. "auto" takes a 50th of the samples, at least 1024, if this is at most '
            'an eighth of them. Default "auto".',
            GROUP,
            int,
            sentences=1,
        ),
    ]
