"""The command that computes landscapes of any number of axes."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api
from fastscape.cli.checkpoints import asking, options_of_command, said
from fastscape.cli.option_texts import GRID
from fastscape.cli.options import Checkpoint, Out, Pictures, Reach, Root, Samples, Split, offering, reaching
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.values import at_least
from fastscape.landscape import Landscape
from fastscape.results import MOST_AXES
from fastscape.runs import CUBE, VolumeOptions

__all__ = ["volume"]

MOST = 10**9
"""The largest number of grid points that the library accepts."""


@offering(OwnMeasures, VolumeOptions)
def volume(
    checkpoint: Checkpoint,
    out: Out = Path("volume.npz"),
    dimensions: Annotated[
        int,
        typer.Option(help="Number of axes.", rich_help_panel=GRID, callback=at_least("--dimensions", 1)),
    ] = 3,
    samples: Samples = None,
    split: Split = None,
    reach: Reach = None,
    points: Annotated[
        int,
        typer.Option(
            help="Grid points along every axis; the size of the grid is their product.",
            rich_help_panel=GRID,
            callback=at_least("--points", 1),
        ),
    ] = CUBE[2],
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the loss of a model along any number of axes, and draw its sections."""
    _check_size(dimensions, points)
    axes = [reaching(reach, points)] * dimensions
    started, asked = time.perf_counter(), asking([checkpoint], given, samples, split, root, most=1)
    options = options_of_command(given, asked)
    rehearsed(api.volume, axes=axes, **options)
    network, data = asked.loaded()
    landscape = api.volume(network, data, axes=axes, **options)
    said([landscape.save(out)], landscape, started)
    if pictures and min(landscape.shape) > 1:
        typer.echo(str(save_picture(partial(_drawn, landscape), out.with_suffix(".png"))))


def _check_size(dimensions: int, points: int) -> None:
    """Refuses a grid that the library would refuse, with a message that names the option."""
    if dimensions > MOST_AXES:
        raise ValueError(f"--dimensions must be at most {MOST_AXES}, got {dimensions}")
    if dimensions * math.log(points) > math.log(MOST) + 1e-9:
        fewer = int(MOST ** (1 / dimensions) + 1e-9)
        raise ValueError(
            f"the grid must have at most {MOST:,} points, got {points}^{dimensions}; write --points {fewer} or fewer, "
            "or fewer --dimensions"
        )


def _drawn(landscape: Landscape) -> Any:
    """Draws the landscape; returns the axes, or the first axes if the picture has several panels."""
    drawn = landscape.plot()
    return drawn[0] if len(landscape.axes) > 2 else drawn
