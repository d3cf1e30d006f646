"""Paths of trainings: the recordings of `fastscape train`, and the command that draws them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from torch import nn
from torch.utils.data import TensorDataset

from fastscape import api
from fastscape.cli.checkpoints import Asked, asking, options_of_command, said
from fastscape.cli.option_texts import GRID, INPUT
from fastscape.cli.options import Out, Pictures, Points, Root, Samples, Split, choice, offering, reaching
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_pictures
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import names_of
from fastscape.cli.values import at_least
from fastscape.landscape import Landscape
from fastscape.runs import SurfaceOptions
from fastscape.training import Recorder
from fastscape.views import to_html
from fastscape.weights import POINTS, pca, start_to_end
from fastscape.zoo import training

__all__ = ["TRAINED", "recorded_training", "trajectory"]

TRAINED = "model.safetensors"
"""The checkpoint at the end of a training, in the folder of its recording, with the facts of network and data set."""

TOLERANCE = 0.01

_PLANES, _CENTERS = ("pca", "start-to-end"), ("last", "mean")


def recorded_training(
    network: nn.Module, data: TensorDataset, folder: Path, every: int, **options: Any
) -> list[training.Epoch]:
    """Trains a network, and records its weights before the first step, at some steps, and after the last one.

    Args:
        network: The network.
        data: The training set.
        folder: The folder of the recording.
        every: Number of steps between two records.
        **options: The options of `training.train`.

    Returns:
        One entry per epoch.
    """
    with Recorder(folder, every, background=True) as recorder:
        recorder.record(network, 0, epoch=0.0)

        def told(step: training.Step) -> None:
            recorder.record(network, step.step, epoch=step.epoch, batch_loss=step.loss)

        history = training.train(network, data, progress=told, **options)
        recorder.keep(network)
    return history


class TrajectoryOptions(SurfaceOptions, total=False):
    """The options of a surface, with different defaults."""


@offering(OwnMeasures, TrajectoryOptions)
def trajectory(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL",
            help="Folders from `fastscape train --record`; several share one plane. Or your own model, "
            "package.module:name with --data, and --weights for the checkpoints of a training in their order, or for "
            "the folders of a Recorder; importing it runs your code.",
            rich_help_panel=INPUT,
        ),
    ],
    out: Out = Path("trajectory.npz"),
    plane: Annotated[
        str,
        choice("--plane", _PLANES, GRID, "Plane of the paths."),
    ] = "pca",
    center: Annotated[
        str | None,
        choice("--center", _CENTERS, GRID, "Centre of pca. Default: last."),
    ] = None,
    evaluated: Annotated[
        int,
        typer.Option(
            help="Largest number of checkpoints per path whose own loss is evaluated.",
            rich_help_panel=GRID,
            callback=at_least("--evaluated", 1),
        ),
    ] = 100,
    samples: Samples = None,
    split: Split = None,
    points: Points = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Draw the paths of trainings on the loss surface of their plane, within a tolerance of 0.01."""
    if plane != "pca" and center is not None:
        raise ValueError(f"--center is for --plane pca, got --plane {plane}; leave it out")
    started = time.perf_counter()
    ends = folders if given["data"] is not None or given["weights"] else [_end_of(folders[0])]
    asked = asking(ends, given, samples, split, root)
    options = {"tolerance": TOLERANCE, **options_of_command(given, asked)}
    count = POINTS if points is None else points
    axes = {name: options.pop(name, None) for name in ("x", "y")}
    tried = {name: axis or reaching(None, count) for name, axis in axes.items()}
    rehearsed(api.surface, with_directions=True, **tried, **options)
    trainings = _trainings(folders, asked)
    network, data = asked.loaded(_last(asked))
    if plane == "pca":
        source: Any = pca(trainings, center=cast(Any, center or "last"), evaluated=evaluated)
    else:
        source = start_to_end(trainings, evaluated=evaluated)
    placed: Any = {name: axis or ("path", count) for name, axis in axes.items()}
    landscape = api.surface(network, data, **options, **placed, directions=source)
    said([landscape.save(out)], landscape, started)
    if pictures:
        for file in _drawn(landscape, out):
            typer.echo(str(file))


def _trainings(folders: Sequence[Path], asked: Asked) -> Any:
    """The trainings: recordings, or one training whose checkpoints are the files."""
    if asked.own is not None:
        folders = asked.own.weights
        there = [file.is_dir() for file in folders]
        if not folders or (any(there) and not all(there)):
            raise ValueError(
                "--weights must be the checkpoints of a training, or folders of a Recorder, got "
                f"{'both' if folders else 'none'}; write for example --weights epoch1.pt --weights epoch2.pt"
            )
        if not any(there):
            return list(folders)
    return folders[0] if len(folders) == 1 else dict(zip(names_of(folders), folders, strict=True))


def _last(asked: Asked) -> int:
    """The index of the model at the end of the first training."""
    return len(asked.files) - 1 if asked.own is not None and not asked.files[0].is_dir() else 0


def _end_of(folder: Path) -> Path:
    """The checkpoint at the end of a recording."""
    file = folder / TRAINED
    if not file.exists():
        raise ValueError(
            f"a training must be a folder from fastscape train --record, got {folder} without {TRAINED}; of your own "
            "model write fastscape trajectory package.module:make_model --data package.module:make_data --weights "
            f"{folder}"
        )
    return file


def _drawn(landscape: Landscape, out: Path) -> Sequence[Path]:
    """Writes both pictures, the page, and a table per path."""
    beside = (out.with_name(f"{out.stem}-{kind}.png") for kind in ("contour", "surface"))
    return [*save_pictures(landscape, *beside), to_html(landscape, out.with_suffix(".html"))]
