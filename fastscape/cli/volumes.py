"""The command that computes landscapes of any number of axes."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api
from fastscape.cli.checkpoints import asking, loaded, options_of_command, said
from fastscape.cli.options import Checkpoint, Out, Pictures, Reach, Root, Samples, Split, offering, reaching
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture
from fastscape.landscape import Landscape
from fastscape.results import check_path
from fastscape.runs import CUBE, VolumeOptions

__all__ = ["volume"]


@offering(OwnMeasures, VolumeOptions)
def volume(
    checkpoint: Checkpoint,
    out: Out = Path("volume.npz"),
    dimensions: Annotated[int, typer.Option(help="How many axes, each along a direction of its own.")] = 3,
    samples: Samples = None,
    split: Split = None,
    reach: Reach = None,
    points: Annotated[int, typer.Option(help="Grid points of every axis; the grid has the product.")] = CUBE[2],
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the loss of a model along any number of axes, and draw its sections."""
    check_path(out)
    if dimensions < 1:
        raise ValueError(f"--dimensions {dimensions} came; wanted at least 1, for example --dimensions 3")
    started, asked = time.perf_counter(), asking([checkpoint], given, samples, split, root)
    options = options_of_command(given, asked)
    network, data = loaded(checkpoint, asked)
    landscape = api.volume(network, data, axes=[reaching(reach, points)] * dimensions, **options)
    said([landscape.save(out)], landscape, started)
    if pictures and min(landscape.shape) > 1:
        typer.echo(str(save_picture(partial(_drawn, landscape), out.with_suffix(".png"))))


def _drawn(landscape: Landscape) -> Any:
    """The axes of its picture; of three or more, which has several, the first."""
    drawn = landscape.plot()
    return drawn[0] if len(landscape.axes) > 2 else drawn
