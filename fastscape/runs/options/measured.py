"""The options of what is measured: loss, metrics or an objective, and the mode of the model."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypedDict

import torch.nn.functional as F

from fastscape.model import BatchNorm, Custom, Loss, Measure
from fastscape.results import Option

__all__ = ["ClassOptions", "LossFunctions", "MeasureFunctions", "MeasureOptions", "ModeOptions"]

GROUP = "What is measured"


class LossFunctions(TypedDict, total=False):
    """The function that is evaluated or differentiated, which no report can hold."""

    loss: Annotated[
        Loss,
        Option(
            F.cross_entropy,
            "`f(outputs, targets)` that returns the unweighted mean over the samples of the batch, or one value per "
            'sample [n]; or a dictionary of such values with "loss" and its terms, each of which becomes a grid. '
            "Default: cross-entropy.",
            GROUP,
            again="that of the report, if it is a function of `torch.nn.functional`",
        ),
    ]
    objective: Annotated[
        "Custom | None",
        Option(
            None,
            "Instead of loss and metrics, `f(call, batch)`, where `call` is the model with the weights of the point, "
            "with its methods, submodules and parameters. The function returns the loss in one of these two forms, or "
            'a dictionary with "loss" and further measures; it may differentiate outputs with respect to inputs. If '
            "all tensors of a batch, also in tuples and dictionaries, have the same length, this is its number of "
            "samples; else its `num_graphs`, or 1. Default: none.",
            GROUP,
        ),
    ]


class MeasureFunctions(LossFunctions, total=False):
    """The functions, which no report can hold."""

    metrics: Annotated[
        Mapping[str, Measure] | None,
        Option(
            None,
            "Further functions `f(outputs, targets)` by name; each becomes a grid in the same pass, for example "
            '`{"accuracy": fastscape.accuracy}`. Default: none.',
            GROUP,
            beside="loss",
            again="those of the report, if they are functions of fastscape",
        ),
    ]


class ModeOptions(TypedDict, total=False):
    """The mode in which the model is evaluated."""

    batchnorm: Annotated[
        BatchNorm,
        Option(
            "running",
            'Statistics that batch normalisation uses: "running", the running statistics from training, as in '
            'evaluation mode, so that a point differs from the model only in its weights; "batch", the statistics of '
            'each batch; or "recalibrate", statistics estimated again at every point over the data (of several data '
            "sets the first), as is usual for averaged models. The last two use the batches of the data: tensors are "
            'one batch, a Dataset is read 64 samples at a time. Default "running".',
            GROUP,
            recorded="batchnorm",
        ),
    ]
    train_mode: Annotated[
        bool,
        Option(
            False,
            "Whether everything except batch normalisation is in training mode, with the same dropout masks at every "
            "point. Default False.",
            GROUP,
            formerly="training",
            recorded="training",
        ),
    ]


class ClassOptions(TypedDict, total=False):
    """The samples that have further means."""

    per_class: Annotated[
        bool | Sequence[int] | None,
        Option(
            None,
            'Numbers of classes whose samples give grids of their own, such as "loss of class 3"; or True for all '
            "classes, at most 100, that have samples in every data set. Targets must be class numbers [n], where -100 "
            "is no class, and the losses of single samples must be known, as for a loss of torch or one value per "
            "sample. Metrics with one value per sample give grids too. For data read in parts, write the numbers. "
            "Default: none.",
            GROUP,
            recorded="per_class",
        ),
    ]


class MeasureOptions(MeasureFunctions, ModeOptions, ClassOptions, total=False):
    """The options of what is measured."""

    curvature: Annotated[
        Literal["plane", "ratio"] | None,
        Option(
            None,
            'Derivatives of the loss to measure at every point: "plane", the exact first and second derivatives along '
            'the axes, by differentiating the model ("dL_dx", "dL_dy", "d2L_dx2", "d2L_dxdy" and "d2L_dy2", on a line '
            'the first and the third, for other axes likewise, see `fastscape.results.derivative_names`); or "ratio", '
            'the extreme eigenvalues of the Hessian with respect to all weights that move ("lambda_min", '
            '"lambda_max", "lambda_ratio", which is `|lambda_min / lambda_max|`, and "lambda_residual", the residual '
            'reached). With "ratio" a point takes at least ten times as long. See `Landscape.gradient`, '
            "`Landscape.hessian`, `Landscape.gaussian_curvature`. Default: none.",
            GROUP,
            str,
            recorded="curvature",
        ),
    ]
    eigenvalue_tolerance: Annotated[
        float,
        Option(
            1e-3,
            'Accuracy of the eigenvalues with `curvature="ratio"`: the largest residual `||H v - lambda v||` of both, '
            "as a fraction of the larger `|lambda|`. An eigenvalue of the Hessian is within this distance. Default "
            "1e-3.",
            GROUP,
            recorded="eigenvalue_tolerance",
        ),
    ]
