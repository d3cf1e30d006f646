"""How exactly: the precision of numbers, and how few samples or points are enough."""

from typing import Annotated, Literal, TypedDict

from fastscape.results import Option

__all__ = ["ExactnessOptions", "ToleranceOptions"]

GROUP = "How exactly"

PrecisionName = Literal["float64", "float32", "bfloat16", "float16"]


class ExactnessOptions(TypedDict, total=False):
    """How exactly every point is known."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            'Precision of weights and activations: "float32" (never TF32), "float64", "bfloat16", or on a GPU '
            '"float16". Losses are computed from outputs in float32 or float64, and sums over samples are float64. '
            "The report gives the error of a reduced precision at five grid points, as a fraction of the largest loss "
            "there. Complex tensors are complex128 in float64, else complex64. Default: that of the model, each "
            "tensor in its own.",
            GROUP,
            str,
            recorded="precision",
        ),
    ]
    target_standard_error: Annotated[
        float | None,
        Option(
            None,
            "Read no more data once the standard error of the mean loss is at most this fraction of the range at "
            "every grid point, for example 0.01. Tensors and Datasets are read in a random order (seed 0); a "
            "DataLoader or an iterable must be shuffled itself. It is looked at after every part of `stream_samples` "
            "samples, by default 256, from the second part and 100 samples on. Points whose loss is not finite "
            "do not count. With a tolerance, only some points that are spread over the grid are looked at, and then "
            "the surface is that of the samples that were read. The losses of single samples must be known. The "
            "report says how many samples were used and whether the target was met. Default: all data are read.",
            GROUP,
            float,
            formerly="standard_error",
            sentences=2,
        ),
    ]


class ToleranceOptions(TypedDict, total=False):
    """How exactly a surface is known between points."""

    tolerance: Annotated[
        float | None,
        Option(
            None,
            "Evaluate only some of the points, chosen round by round, and predict the others within this error, "
            "for example 0.005: root mean square over the grid, as a fraction of the range, estimated at points that "
            "the prediction had not seen. `Landscape.evaluated` tells them apart, and the report has the estimates. 0 "
            "evaluates all, coarse points first. Features that are smaller than the gaps between the evaluated points "
            "(`widest_gap` in the report) cannot be seen. It is of the loss; metrics are predicted too. Default: "
            "none.",
            GROUP,
            float,
        ),
    ]
    tolerance_scale: Annotated[
        Literal["log10", "linear"],
        Option(
            "log10",
            'Of what the tolerance is: "log10" of the loss, as pictures are drawn, as long as no loss is negative; or '
            '"linear", the loss itself. The report has the scale. Default "log10".',
            GROUP,
            str,
            formerly="log",
        ),
    ]
    topology: Annotated[
        bool | float,
        Option(
            False,
            "With a tolerance, go on until every basin is certain that is deeper than this fraction of the range: its "
            "minimum and the saddle at which it joins a deeper one are known as well as the surface is, and the "
            "expected errors leave room for no other. True is 0.05. The report counts the pairs of a minimum and a "
            "saddle, and says whether any is in doubt. Default False: only the mean error counts.",
            GROUP,
            float,
        ),
    ]
    draw_samples: Annotated[
        int | Literal["auto"],
        Option(
            "auto",
            "With a tolerance, evaluate so many samples, drawn at random (seed 0), at the points that are chosen, and "
            "all samples at few: the difference between the two means is small and smooth, and is interpolated. "
            "Points that were held out judge the sum. `Landscape.evaluated` is true where all samples were evaluated, "
            "and the report counts both. Batches that are one thing are drawn as a whole. 0 evaluates all samples at "
            'every chosen point. "auto" takes a 50th of the samples, at least 1024, where that is at most an eighth '
            'of them. Default "auto".',
            GROUP,
            int,
            sentences=1,
        ),
    ]
