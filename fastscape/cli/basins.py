"""The command for how far around checkpoints a score holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api, views
from fastscape.cli.checkpoints import asking, loaded, options_of_command
from fastscape.cli.options import OWN, Root, Split, offering
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture
from fastscape.cli.several_checkpoints import names_of
from fastscape.reports import BasinRadius
from fastscape.runs import BasinOptions

__all__ = ["basin"]


@offering(OwnMeasures, BasinOptions)
def basin(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(help=f"Checkpoints that `fastscape train` wrote; several are drawn in one picture. {OWN}"),
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write, or the folder of several. Default: basin.json, or basin.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="How many samples of the checkpoint's data set, from its first. Default: 64.")
    ] = None,
    split: Split = None,
    root: Root = None,
    pictures: Annotated[bool, typer.Option(help="Whether to draw a picture too, beside the file.")] = True,
    **given: Any,
) -> None:
    """Find how far along random directions the loss of a model, or its accuracy, stays within a range."""
    several, names = len(checkpoints) > 1, names_of(checkpoints)
    place = out or Path("basin" if several else "basin.json")
    if several == (place.suffix == ".json"):
        wanted = "a folder, for example --out basin" if several else "a name that ends in .json"
        raise ValueError(f"--out {place} came with {len(checkpoints)} checkpoints; wanted {wanted}")
    started, asked = time.perf_counter(), asking(checkpoints, given, samples, split, root)
    options = options_of_command(given, asked)
    found: dict[str, BasinRadius] = {}
    for name, checkpoint in zip(names, checkpoints, strict=True):
        network, data = loaded(checkpoint, asked)
        found[name] = api.basin_radius(network, data, **options)
        typer.echo(str(found[name].save(place / f"{name}.json" if several else place)))
    if pictures:
        file = place / "basin.png" if several else place.with_suffix(".png")
        typer.echo(str(save_picture(lambda: views.basin(found if several else found[names[0]]), file)))
    for name, one in found.items():
        typer.echo(f"\n{name}: {one}" if several else f"\n{one}")
    typer.echo(f"\n{time.perf_counter() - started:.1f} s")
