"""The options of `barrier` and `barriers`."""

from typing import Annotated

from fastscape.results import Option
from fastscape.runs.options.exactly import ExactnessOptions
from fastscape.runs.options.measured import ClassOptions, MeasureFunctions, ModeOptions
from fastscape.runs.options.running import DeviceOptions, EvaluationOptions
from fastscape.weights import Perturb

__all__ = ["BarrierOptions"]

WHERE = "Where"


class BarrierOptions(
    MeasureFunctions, ModeOptions, ClassOptions, ExactnessOptions, DeviceOptions, EvaluationOptions, total=False
):
    """The options of `barrier` and `barriers`, shared."""

    points: Annotated[
        int,
        Option(
            25,
            "Number of evenly spaced points on the line, both ends included; at least 3. The barrier is the largest "
            "excess at these points, so it is a lower bound of the largest excess on the line. Default 25.",
            WHERE,
            int,
        ),
    ]
    perturb: Annotated[
        "Perturb | None",
        Option(
            None,
            'What moves from one model to the other: "weights", "weights+bias", "all" or "states"; or `f(name, '
            "parameter) -> bool`, for example to move only adapters. The models must agree in everything that does "
            "not move. Default: everything, buffers too.",
            WHERE,
            str,
        ),
    ]
    progress: Annotated[
        bool,
        Option(
            True,
            "Whether to show a progress bar, of points or of pairs of models, when standard error is a terminal. "
            "Default True.",
            "How it runs",
        ),
    ]
