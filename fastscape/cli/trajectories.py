"""Paths of trainings: what `fastscape train` records, and the command that draws it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from torch import nn
from torch.utils.data import TensorDataset

from fastscape import api
from fastscape.cli.checkpoints import asking, loaded, options_of_command, said
from fastscape.cli.options import Pictures, Points, Root, Samples, Split, offering
from fastscape.cli.pictures import save_pictures
from fastscape.cli.several_checkpoints import names_of
from fastscape.landscape import Landscape
from fastscape.results import check_path
from fastscape.runs import SurfaceOptions
from fastscape.training import Recorder
from fastscape.views import to_html
from fastscape.weights import POINTS, pca, start_to_end
from fastscape.zoo import training

__all__ = ["TRAINED", "recorded_training", "trajectory"]

TRAINED = "model.safetensors"
"""In the folder of a recording the checkpoint at its end, with the facts of network and data set."""

TOLERANCE = 0.01

Planes = Literal["pca", "start-to-end"]


def recorded_training(
    network: nn.Module, data: TensorDataset, folder: Path, every: int, **options: Any
) -> list[training.Epoch]:
    """Trains a network, and records its weights before the first step, at some steps, and after the last one.

    Args:
        network: The network.
        data: The training set.
        folder: Of the recording.
        every: Steps from one record to the next.
        **options: Of `training.train`.

    Returns:
        One entry for each epoch.
    """
    with Recorder(folder, every, background=True) as recorder:
        recorder.record(network, 0, epoch=0.0)

        def told(step: training.Step) -> None:
            recorder.record(network, step.step, epoch=step.epoch, batch_loss=step.loss)

        history = training.train(network, data, progress=told, **options)
        recorder.keep(network)
    return history


@offering(SurfaceOptions)
def trajectory(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that `fastscape train --record` wrote; several share one plane.")
    ],
    out: Annotated[Path, typer.Option(help="The landscape to write; pictures and page go beside it.")] = Path(
        "trajectory.npz"
    ),
    plane: Annotated[
        Planes, typer.Option(help="The plane: pca, or start-to-end and the strongest direction orthogonal to it.")
    ] = "pca",
    center: Annotated[
        Literal["last", "mean"] | None, typer.Option(help="Of pca: about the last checkpoint (default) or the mean.")
    ] = None,
    evaluated: Annotated[
        int, typer.Option(help="Checkpoints of a path that have their own loss evaluated, at most.")
    ] = 100,
    samples: Samples = None,
    split: Split = None,
    points: Points = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Draw the path of recorded trainings on the loss surface of a plane that holds it, within a tolerance of 0.01."""
    check_path(out)
    started = time.perf_counter()
    end = _end_of(folders[0])
    asked = asking([end], given, samples, split, root)
    options = options_of_command(given, asked)
    network, data = loaded(end, asked)
    trainings: Any = folders[0] if len(folders) == 1 else dict(zip(names_of(folders), folders, strict=True))
    if plane == "pca":
        source: Any = pca(trainings, center=center or "last", evaluated=evaluated)
    elif center is not None:
        raise ValueError(f"--center {center} came with --plane start-to-end, which has no centre; leave it out")
    else:
        source = start_to_end(trainings, evaluated=evaluated)
    count = POINTS if points is None else points
    axes = {name: ("path", count) if options.get(name) is None else options[name] for name in ("x", "y")}
    landscape = api.surface(network, data, **{"tolerance": TOLERANCE, **options, **axes, "directions": source})
    said([landscape.save(out)], landscape, started)
    if pictures:
        for file in _drawn(landscape, out):
            typer.echo(str(file))


def _end_of(folder: Path) -> Path:
    """The checkpoint at the end of a recording."""
    file = folder / TRAINED
    if not file.exists():
        raise ValueError(
            f"{folder} has no {TRAINED}, which says of which network and data set it is; give a folder that fastscape "
            "train --record wrote, or draw other recordings in Python: fastscape.surface(..., "
            "directions=fastscape.pca(folder))"
        )
    return file


def _drawn(landscape: Landscape, out: Path) -> Sequence[Path]:
    """Both pictures, the page, and every path as a table."""
    beside = (out.with_name(f"{out.stem}-{kind}.png") for kind in ("contour", "surface"))
    return [*save_pictures(landscape, *beside), to_html(landscape, out.with_suffix(".html"))]
