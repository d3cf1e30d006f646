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
    "Device",
    "Distribution",
    "LowMemory",
    "Norm",
    "Out",
    "Perturb",
    "Pictures",
    "PlanFile",
    "Precision",
    "Root",
    "Samples",
    "Seed",
    "Split",
    "StoreFolder",
]

MODELS = f"Network: {', '.join(models.MODELS)}, or a ResNet of another depth 6n+2."
Seed = Annotated[int, typer.Option(help="Seed of everything that is random.")]
Device = Annotated[str | None, typer.Option(help="Where to compute, for example cuda.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder of the data sets. Default: FASTSCAPE_DATA or ~/.cache/fastscape.")
]
Checkpoint = Annotated[Path, typer.Argument(help="A checkpoint that `fastscape train` wrote.")]
Out = Annotated[Path, typer.Option(help="The landscape to write; pictures go beside it.")]
Samples = Annotated[int, typer.Option(help="Samples of the checkpoint's data set, from its first.")]
Split = Annotated[str, typer.Option(help="Part of the data set: train or test.")]
Norm = Annotated[str | None, typer.Option(help=f"Norm of the directions: {', '.join(NORMS)}. Default: the scheme's.")]
Perturb = Annotated[
    str | None, typer.Option(help="What moves: weights, weights+bias, all or states. Default: weights.")
]
Distribution = Annotated[str, typer.Option(help="Of random directions: normal, uniform or rademacher.")]
Precision = Annotated[str, typer.Option(help="float32, float64, bfloat16, or float16 on a GPU.")]
LowMemory = Annotated[bool, typer.Option(help="Whether random directions are recomputed instead of kept.")]
PlanFile = Annotated[Path | None, typer.Option(help="A plan that Plan.save wrote. Default: the fastest is sought.")]
Pictures = Annotated[bool, typer.Option(help="Whether to draw the landscape too.")]
StoreFolder = Annotated[
    Path | None, typer.Option("--store", help="A folder that points are kept in; the same command then goes on.")
]
