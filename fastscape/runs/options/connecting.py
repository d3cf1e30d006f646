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
    """Which curve, and through which space."""

    curve: Annotated[
        ShapeName,
        Option(
            "bezier",
            f'Its shape: {among(SHAPES)}. A "bezier" curve and a "polygon", which is straight from bend to bend, are '
            'trained at a random place in every step; a "band" is a nudged elastic band, on which every bend is an '
            'image that rolls down beside the chain, while springs keep their distances equal. Default "bezier".',
            CURVE,
            str,
        ),
    ]
    bends: Annotated[
        int | None,
        Option(
            None,
            "How many bends are trained between the ends, from 1; of a band its images, each of which is evaluated in "
            "every step. In memory are the ends and the bends, their gradients, and what the optimizer keeps of each. "
            "Default: 1, of a band 7.",
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
            "the adapters alone of a model with LoRA. Both models have to agree in all else, but for statistics of "
            'batch normalisation. Default "all".',
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
            "Passes over the data. Default: 20, where `steps` does not say it.",
            TRAINING,
            int,
        ),
    ]
    steps: Annotated[
        int | None,
        Option(
            None,
            "Steps of the optimizer, in the place of `epochs`. Default: as many as the epochs have batches.",
            TRAINING,
            int,
        ),
    ]
    batch_size: Annotated[
        int | None,
        Option(
            None,
            "Samples in a step at most, of tensors and Datasets, which are drawn in a new order in every epoch. Data "
            "with batches of their own (a DataLoader, an iterable) keep them, in a new order. Default: 64.",
            TRAINING,
            int,
        ),
    ]
    lr: Annotated[
        float,
        Option(0.05, "Learning rate of the optimizer, where none is given. Default 0.05.", TRAINING, float),
    ]
    optimizer: Annotated[
        "MakesOptimizer | None",
        Option(
            None,
            "A function that makes the optimizer of a list of one parameter, the bends as a matrix [bends, weights]: "
            "for example `lambda params: torch.optim.Adam(params, lr=1e-3)`. Weight decay and momentum are its own. "
            "Default: SGD with `lr` and a momentum of 0.9.",
            TRAINING,
        ),
    ]
    scheduler: Annotated[
        "MakesScheduler | None",
        Option(
            None,
            "A function of the optimizer and the number of steps that makes a scheduler, which is asked after every "
            "step: for example `torch.optim.lr_scheduler.CosineAnnealingLR`. Default: the rate stays for half of the "
            "steps and falls to a hundredth until nine tenths of them, as in the paper.",
            TRAINING,
        ),
    ]
    train_mode: Annotated[
        bool,
        Option(
            True,
            "Whether the model is in training mode in every step, as in the paper: batch normalisation takes the "
            "statistics of the batch, and dropout draws anew. Else it is as in use, with the statistics of the first "
            "model, in which both must agree then. Default True.",
            TRAINING,
            bool,
        ),
    ]
    spring: Annotated[
        float,
        Option(
            1.0,
            "Stiffness of the springs of a band, in units of the loss by squared weights. Times the learning rate it "
            "has to stay below 0.1. Default 1.",
            TRAINING,
            float,
        ),
    ]


class ConnectOptions(LossFunctions, CurveOptions, BendOptions, DeviceOptions, total=False):
    """Of `connect`."""

    precision: Annotated[
        PrecisionName | None,
        Option(
            None,
            "Precision of weights and activations, as for `surface`; bends and gradients are float32, or float64. "
            "Default: that of the first model, each tensor in its own.",
            TRAINING,
            str,
        ),
    ]
    seed: Annotated[
        int,
        Option(
            0,
            "Seed of all that is random: the order of the samples, the places on the curve, dropout. Default 0.",
            TRAINING,
            int,
        ),
    ]
    store: Annotated[
        str | os.PathLike[str] | None,
        Option(
            None,
            "A folder that the training is kept in while it lasts, and the curve in the end. The same call goes on "
            "where one was ended by whatever means, and ends with the same bits; other models, data or settings are "
            "refused. Default: none.",
            TRAINING,
            Path,
            sentences=2,
        ),
    ]
    progress: Annotated[
        bool,
        Option(True, "Whether to show a bar with the loss when standard error is a terminal. Default True."),
    ]
