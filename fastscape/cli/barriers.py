"""The command for barriers between models: the barrier of two models, or the matrix of several."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from fastscape import api
from fastscape.cli.checkpoints import Asked, asking, options_of_command
from fastscape.cli.option_texts import INPUT, OUTPUT
from fastscape.cli.options import OWN, Pictures, Root, Samples, Split, offering
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import names_of
from fastscape.cli.values import ending_in
from fastscape.model import statistics_of
from fastscape.reports import Barrier
from fastscape.runs import BarrierOptions

__all__ = ["barrier"]


@offering(OwnMeasures, BarrierOptions)
def barrier(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL",
            help="Two or more checkpoints from `fastscape train`; every pair is computed. Batch-norm statistics are "
            f"estimated at every point. {OWN}",
            rich_help_panel=INPUT,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write. Default: barrier.json, or barriers.json for more than two models.",
            rich_help_panel=OUTPUT,
            callback=ending_in("--out", ".json"),
        ),
    ] = None,
    samples: Samples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the barrier on the straight line between two models, or between every pair of several, and draw it."""
    asked = asking(checkpoints, given, samples, split, root)
    if len(asked.files) < 2:
        more = "--weights a.pt --weights b.pt" if asked.own else "fastscape barrier a.safetensors b.safetensors"
        raise ValueError(f"a barrier must have two models or more, got {len(asked.files)}; write for example {more}")
    place = out or Path("barrier.json" if len(asked.files) == 2 else "barriers.json")
    started = time.perf_counter()
    names, options = names_of(asked.files), options_of_command(given, asked)
    rehearsed(api.barrier, others=("b",), **options)
    others = _others(asked)
    first, data = asked.loaded()
    if statistics_of(first):
        options["batchnorm"] = "recalibrate"
    found: Any
    if len(others) == 1:
        found = api.barrier(first, others[0], data, **options)
    else:
        found = api.barriers(dict(zip(names, [first, *others], strict=True)), data, **options)
    typer.echo(str(found.save(place)))
    if pictures:
        for measure, file in _files(found, place).items():
            typer.echo(str(save_picture(partial(_drawn, found, measure), file)))
    typer.echo(str(found))
    typer.echo(f"{time.perf_counter() - started:.1f} s")


def _others(asked: Asked) -> list[nn.Module]:
    """The networks after the first, which must be trained on the data set of the first."""
    if asked.own is not None:
        return [asked.network(k) for k in range(1, len(asked.files))]
    first, *files = asked.files
    wanted = asked.facts()["dataset"]
    made = []
    for k, file in enumerate(files, 1):
        found = asked.facts(k)["dataset"]
        if found != wanted:
            raise ValueError(
                f"the models must be of one data set, got {wanted!r:.40} for {first} and {found!r:.40} for {file}"
            )
        made.append(asked.network(k))
    return made


def _files(found: Any, place: Path) -> dict[str, Path]:
    """The files of the pictures: one picture of a line with all measures, or a matrix per measure."""
    if isinstance(found, Barrier):
        return {"": place.with_suffix(".png")}
    ending = {measure: measure.replace(" ", "-") for measure in found.measures}
    return {measure: place.with_name(f"{place.stem}-{end}.png") for measure, end in ending.items()}


def _drawn(found: Any, measure: str) -> Any:
    return found.plot(measure=measure) if measure else found.plot()[0]
