"""The options of `connect`: the shape of the curve, what moves, and how its bends are trained."""

import os
from pathlib import Path
from typing import Annotated, TypedDict

from fastscape.paths import SHAPES, MakesOptimizer, MakesScheduler, ShapeName
from fastscape.results import Option, among
from fastscape.runs.options.exactly import PrecisionName
from fastscape.runs.options.measured import LossFunctions
from fastscape.runs.options.running import DeviceOptions
from fastscape.weights import Perturb

__all__ = ["ConnectOptions"]

CURVE = "The curve"
TRAINING = "How it is trained"


class CurveOptions(TypedDict, total=False):
    """The curve, and the space that it runs through."""

    curve: Annotated[
        ShapeName,
        Option(
            "bezier",
            f'Shape of the curve: {among(SHAPES)}. A "bezier" curve, or a "polygon" of straight pieces between the '
            'bends, is trained at one random t per step. A "band" is a nudged elastic band: every bend is an image '
            "that moves downhill at right angles to the chain, and springs keep the distances between images equal. "
            'Default "bezier".',
            CURVE,
            str,
        ),
    ]
    bends: Annotated[
        int | None,
        Option(
            None,
            "Number of bends that are trained between the ends, at least 1. The bends of a band are its images, each "
            "of which is evaluated in every step. Memory holds the ends, the bends, their gradients, and the "
            "optimizer's state for each bend. Default: 1, for a band 7.",
            CURVE,
            int,
        ),
    ]
    perturb: Annotated[
        "Perturb",
        Option(
            "all",
            'What moves: "all" (every parameter), "weights" (parameters of two or more dimensions), "weights+bias" or '
            '"states" (buffers too); or `f(name, parameter) -> bool`, for example `lambda name, p: p.requires_grad`, '
            "which moves only the adapters of a model with LoRA. Both models must agree in everything else, except "
            'the statistics of batch normalisation. Default "all".',
            CURVE,
            str,
        ),
    ]


class BendOptions(TypedDict, total=False):
    """How the bends are trained."""

    epochs: Annotated[
        int | None,
        Option(
            None,
            "Number of passes over the data. Default: 20, unless `steps` is given.",
            TRAINING,
            int,
        ),
    ]
    steps: Annotated[
        int | None,
        Option(
            None,
            "Number of optimizer steps, instead of `epochs`. Default: as many as the epochs have batches.",
            TRAINING,
            int,
        ),
    ]
    batch_size: Annotated[
        int | None,
        Option(
            None,
            "Largest number of samples per step for tensors and Datasets, which are read in a new order in every "
            "epoch. Data with batches of their own (a DataLoader, an iterable) keep their batches, in a new order. "
            "Default: 64.",
            TRAINING,
            int,
        ),
    ]
    lr: Annotated[
        float,
        Option(0.05, "Learning rate of the default optimizer. Default 0.05.", TRAINING, float),
    ]
    optimizer: Annotated[
        "MakesOptimizer | None",
        Option(
            None,
            "A function that makes the optimizer from a list of one parameter, the bends as a matrix [bends, "
            "weights]: for example `lambda params: torch.optim.Adam(params, lr=1e-3)`. The function sets weight decay "
            "and momentum. Default: SGD with `lr` and a momentum of 0.9.",
            TRAINING,
        ),
    ]
    scheduler: Annotated[
        "MakesScheduler | None",
        Option(
            None,
            "A function of the optimizer and the number of steps that makes a learning-rate scheduler, which is "
            "stepped after every step: for example `torch.optim.lr_scheduler.CosineAnnealingLR`. Default: the rate is "
            "constant for half of the steps and falls to a hundredth at nine tenths of them, as in the paper.",
            TRAINING,
        ),
    ]
    train_mode: Annotated[
        bool,
        Option(
            True,
            "Whether the model is in training mode in every step, as in the paper: batch normalisation uses the "
            "statistics of the batch, and dropout draws new masks. If False, the model is in evaluation mode with the "
            "statistics of the first model, and both models must agree in these statistics. Default True.",
            TRAINING,
            bool,
        ),
    ]
    spring: Annotated[
        float,
        Option(
            1.0,
            "Stiffness of the springs of a band, in units of loss per squared weight. Its product with the learning "
            "rate must be below 0.1. Default 1.",
            TRAINING,
            float,
        ),
    ]


class ConnectOptions(LossFunctions, CurveOptions, BendOptions, DeviceOptions, total=False):
    """The options of `connect`."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            "Precision of weights and activations, as for `surface`; bends and gradients are float32 or float64. "
            "Default: the precision of the first model, tensor by tensor.",
            TRAINING,
            str,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            0,
            "Seed of everything random: the order of the samples, the values of t, dropout. Default 0.",
            TRAINING,
            int,
        ),
    ]
    store: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            "A folder for the state of the training while it runs, and for the finished curve. After any interruption "
            "the same call resumes, and ends with the same bits; different models, data or settings are refused. "
            "Default: none.",
            TRAINING,
            Path,
            sentences=2,
        ),
    ]
    progress: Annotated[
        bool,
        Option(True, "Whether to show a progress bar with the loss when standard error is a terminal. Default True."),
    ]
