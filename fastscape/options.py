"""The options that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastscape.norms import NORMS
from fastscape.zoo import models

__all__ = [
    "MODELS",
    "Checkpoint",
    "Checkpoints",
    "Device",
    "Distribution",
    "Live",
    "LowMemory",
    "Norm",
    "Out",
    "Perturb",
    "Pictures",
    "PlanFile",
    "Points",
    "Precision",
    "Reach",
    "Root",
    "Samples",
    "Seed",
    "Split",
    "StandardError",
    "StoreFolder",
    "SurfaceOut",
    "Tolerance",
]

MODELS = f"Network: {', '.join(models.MODELS)}, or a ResNet of another depth 6n+2."
Seed = Annotated[int, typer.Option(help="Seed of everything that is random.")]
Device = Annotated[str | None, typer.Option(help="Where to compute, for example cuda.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder of the data sets. Default: FASTSCAPE_DATA or ~/.cache/fastscape.")
]
Checkpoint = Annotated[Path, typer.Argument(help="A checkpoint that `fastscape train` wrote.")]
Checkpoints = Annotated[
    list[Path],
    typer.Argument(help="Checkpoints that `fastscape train` wrote, or a pattern; several share directions and scale."),
]
SurfaceOut = Annotated[
    Path | None,
    typer.Option(help="The landscape to write, or the folder of several. Default: landscape.npz, or landscapes."),
]
Out = Annotated[Path, typer.Option(help="The landscape to write; pictures go beside it.")]
Samples = Annotated[
    int | None,
    typer.Option(help="Samples of the checkpoint's data set, from its first. Default: 64; all with --standard-error."),
]
Split = Annotated[str, typer.Option(help="Part of the data set: train or test.")]
Reach = Annotated[
    str | None,
    typer.Option(
        help="Range of the axes that are not given: a number r, from -r to r; or auto, up to where the loss is ten "
        "times that at the centre. Default: 1."
    ),
]
Points = Annotated[int | None, typer.Option(help="Grid points of the axes that are not given. Default: 51.")]
Norm = Annotated[
    str | None,
    typer.Option(
        help=f"Norm of the directions: {', '.join(NORMS)}. Default: the scheme's; towards another model none."
    ),
]
Perturb = Annotated[
    str | None,
    typer.Option(
        help="What moves: weights, weights+bias, all or states. Default: weights; towards another model states."
    ),
]
Distribution = Annotated[
    str, typer.Option(help="Of random directions: normal, uniform (0 to 1) or rademacher (-1 or 1).")
]
Precision = Annotated[str, typer.Option(help="float32, float64, bfloat16, or float16 on a GPU.")]
LowMemory = Annotated[bool, typer.Option(help="Whether random directions are recomputed instead of kept.")]
PlanFile = Annotated[Path | None, typer.Option(help="A plan that Plan.save wrote. Default: the fastest is sought.")]
Pictures = Annotated[bool, typer.Option(help="Whether to draw the landscape too.")]
StandardError = Annotated[
    float | None,
    typer.Option(
        help="Use only as many samples, at random, as bring the standard error to this fraction of the range."
    ),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(help="A folder that points are kept in, each checkpoint's in its own; the same command goes on."),
]
Tolerance = Annotated[
    float | None,
    typer.Option(help="Evaluate only as many points as this rms error, a fraction of the range, needs: 0.005."),
]
Live = Annotated[bool, typer.Option("--live", help="Show the surface after every round of --tolerance.")]
