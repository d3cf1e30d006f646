"""The command for what lies between checkpoints: the barrier of two, or the matrix of several."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

from fastscape import api
from fastscape.cli.checkpoints import asking, loaded, options_of_command
from fastscape.cli.options import Pictures, Root, Samples, Split, offering
from fastscape.cli.pictures import save_picture
from fastscape.cli.several_checkpoints import names_of
from fastscape.model import statistics_of
from fastscape.reports import Barrier
from fastscape.runs import BarrierOptions
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["barrier"]


@offering(BarrierOptions)
def barrier(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            help="Two checkpoints that `fastscape train` wrote; or more, of which every pair is taken. Statistics of "
            "batch normalisation are estimated anew at every point."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write: .json. Default: barrier.json, of more than two barriers.json."),
    ] = None,
    samples: Samples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the barrier on the straight line between two checkpoints, or between all pairs of more, and draw it."""
    if len(checkpoints) < 2:
        raise ValueError(f"{len(checkpoints)} checkpoint came; wanted two to go from one to the other, or more")
    place = out or Path("barrier.json" if len(checkpoints) == 2 else "barriers.json")
    if place.suffix != ".json":
        raise ValueError(f"--out {place} came; wanted a name that ends in .json")
    started = time.perf_counter()
    names, asked = names_of(checkpoints), asking(checkpoints, given, samples, split, root)
    options = options_of_command(given, asked)
    first, data = loaded(checkpoints[0], asked)
    if statistics_of(first):
        options["batchnorm"] = "recalibrate"
    others = _others(checkpoints)
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


def _others(checkpoints: Sequence[Path]) -> list[nn.Module]:
    """The other networks, which must be trained on the data set of the first."""
    wanted = load_checkpoint(checkpoints[0])[1]["dataset"]
    made = []
    for file in checkpoints[1:]:
        network, facts = load_checkpoint(file)
        if facts["dataset"] != wanted:
            raise ValueError(
                f"the network in {file} is of the data set {facts['dataset']!r:.40}, and that in {checkpoints[0]} of "
                f"{wanted!r:.40}; give checkpoints of one data set"
            )
        made.append(network)
    return made


def _files(found: Any, place: Path) -> dict[str, Path]:
    """The pictures: one of a line with all its measures, or a matrix for each measure."""
    if isinstance(found, Barrier):
        return {"": place.with_suffix(".png")}
    ending = {measure: measure.replace(" ", "-") for measure in found.measures}
    return {measure: place.with_name(f"{place.stem}-{end}.png") for measure, end in ending.items()}


def _drawn(found: Any, measure: str) -> Any:
    return found.plot(measure=measure) if measure else found.plot()[0]
