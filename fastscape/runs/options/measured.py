"""What is measured: the loss, metrics, or an objective of one's own, and the mode of the model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict

import torch.nn.functional as F

from fastscape.model import BatchNorm, Custom, Loss, Measure
from fastscape.results import Option

__all__ = ["ClassOptions", "LossFunctions", "MeasureFunctions", "MeasureOptions", "ModeOptions"]

GROUP = "What is measured"


class LossFunctions(TypedDict, total=False):
    """What is differentiated or evaluated: a function, which no report can hold."""

    loss: Annotated[
        Loss,
        Option(
            F.cross_entropy,
            "`f(outputs, targets)` that returns the plain mean over the samples of the batch, or one value a sample "
            '[n]; or a dictionary of such values with "loss" and its terms, each of which becomes a grid. Default: '
            "cross-entropy.",
            GROUP,
            again="that of the report, if it is a function of `torch.nn.functional`",
        ),
    ]
    objective: Annotated[
        "Custom | None",
        Option(
            None,
            "In the place of loss and metrics, `f(call, batch)`, where `call` is the model itself at that point "
            "of weight space, with its methods, submodules and parameters. It returns the loss in one of these "
            'two forms, or a dictionary with "loss" and further measures, and may differentiate outputs by '
            "inputs. A batch counts as its samples, where all of its tensors have one length, also in tuples and "
            "dictionaries; else as its `num_graphs`, or one. Default: none.",
            GROUP,
        ),
    ]


class MeasureFunctions(LossFunctions, total=False):
    """Functions, which no report can hold."""

    metrics: Annotated[
        Mapping[str, Measure] | None,
        Option(
            None,
            "Further functions of that kind by name; each becomes a grid in the same pass, for example "
            '`{"accuracy": fastscape.accuracy}`. Default: none.',
            GROUP,
            beside="loss",
            again="those of the report, if they are functions of fastscape",
        ),
    ]


class ModeOptions(TypedDict, total=False):
    """In which mode the model is evaluated."""

    batchnorm: Annotated[
        BatchNorm,
        Option(
            "running",
            'What batch normalisation uses: "running", the statistics that training has left, as in use, so that a '
            'point differs from the model in its weights alone; "batch", those of each batch; or "recalibrate", which '
            "at every point are estimated anew over the data, of several sets over the first one, as is done between "
            "models that were averaged. The last two take batches as the data give them: tensors are one, a Dataset "
            'is read 64 at a time. Default "running".',
            GROUP,
            recorded="batchnorm",
        ),
    ]
    train_mode: Annotated[
        bool,
        Option(
            False,
            "Whether everything but batch normalisation is in training mode: dropout draws the same random numbers at "
            "every point then. Default False.",
            GROUP,
            formerly="training",
            recorded="training",
        ),
    ]


class ClassOptions(TypedDict, total=False):
    """Of which samples there are means besides."""

    per_class: Annotated[
        bool | Sequence[int] | None,
        Option(
            None,
            'Numbers of classes whose samples give grids of their own, such as "loss of class 3"; or True for all, '
            "at most 100, of several data sets those of which each has samples. Targets are class numbers [n], where "
            "-100 is of no class, and the losses of single samples must be known. Metrics take part that give one "
            "value a sample. Of data in parts write the numbers. Default: none.",
            GROUP,
            recorded="per_class",
        ),
    ]


class MeasureOptions(MeasureFunctions, ModeOptions, ClassOptions, total=False):
    """What is measured."""

    curvature: Annotated[
        Literal["plane", "ratio"] | None,
        Option(
            None,
            'What else is measured of the loss: "plane", its first and second derivatives along the axes, exactly, by '
            'differentiating the model: the measures "dL_dx", "dL_dy", "d2L_dx2", "d2L_dxdy" and "d2L_dy2", on a line '
            "the first and the third, and of other axes likewise, see `fastscape.results.derivative_names`. See "
            "`Landscape.gradient`, `Landscape.hessian`, `Landscape.gaussian_curvature`. "
            'Or "ratio", the extreme eigenvalues of the Hessian by all weights that move: "lambda_min", "lambda_max", '
            'their "lambda_ratio" `|lambda_min / lambda_max|`, and the "lambda_residual" that was reached. A point '
            "then takes ten times as long and more. Default: nothing else.",
            GROUP,
            str,
            recorded="curvature",
        ),
    ]
    eigenvalue_tolerance: Annotated[
        float,
        Option(
            1e-3,
            'How close eigenvalues are with `curvature="ratio"`: the residuals `||H v - lambda v||` of both, as a '
            "fraction of the larger `|lambda|`. An eigenvalue of the Hessian lies within that distance. Default 1e-3.",
            GROUP,
            recorded="eigenvalue_tolerance",
        ),
    ]
