"""The options of what is computed between models: `barrier` and `barriers`."""

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
    """Of `barrier` and `barriers`."""

    points: Annotated[
        int,
        Option(
            25,
            "Points of the line, evenly spaced, both ends among them; at least 3. The largest excess is that of these "
            "points, and so a lower bound of that of the line. Default 25.",
            WHERE,
            int,
        ),
    ]
    perturb: Annotated[
        "Perturb | None",
        Option(
            None,
            'What moves from one model to the other: "weights", "weights+bias", "all" or "states"; or `f(name, '
            "parameter) -> bool`, for example adapters alone. In what does not move, the models must not differ. "
            "Default: all of it, buffers too.",
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
