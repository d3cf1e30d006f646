"""The command for basin radii: how far from a model a score stays within a range."""

from __future__ import annotations

import time
from typing import Any

import typer

from fastscape import api, views
from fastscape.cli.checkpoints import asking, options_of_command
from fastscape.cli.options import FewSamples, Models, Pictures, Root, SeveralOut, Split, offering
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import names_of, place_of
from fastscape.reports import BasinRadius
from fastscape.runs import BasinOptions

__all__ = ["basin"]


@offering(OwnMeasures, BasinOptions)
def basin(
    checkpoints: Models,
    out: SeveralOut = None,
    samples: FewSamples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Find how far along random directions the loss or a metric of a model stays within a range."""
    started, asked = time.perf_counter(), asking(checkpoints, given, samples, split, root)
    several, names = len(asked.files) > 1, names_of(asked.files)
    place = place_of(out, len(names), "basin", ".json")
    options = options_of_command(given, asked)
    rehearsed(api.basin_radius, **options)
    found: dict[str, BasinRadius] = {}
    for k, name in enumerate(names):
        network, data = asked.loaded(k)
        found[name] = api.basin_radius(network, data, **options)
        typer.echo(str(found[name].save(place / f"{name}.json" if several else place)))
    if pictures:
        file = place / "basin.png" if several else place.with_suffix(".png")
        typer.echo(str(save_picture(lambda: views.basin(found if several else found[names[0]]), file)))
    for name, one in found.items():
        typer.echo(f"\n{name}: {one}" if several else f"\n{one}")
    typer.echo(f"\n{time.perf_counter() - started:.1f} s")
