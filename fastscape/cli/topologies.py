"""The command for the basins of computed landscapes, and for the distance between the topologies of two."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api, views
from fastscape.cli.landscape_files import check_landscape_file, landscape_in
from fastscape.cli.option_texts import INPUT, MEASURES, OUTPUT
from fastscape.cli.options import Pictures, offering
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import bowl
from fastscape.cli.several_checkpoints import place_of
from fastscape.persistence import TopologyOptions

__all__ = ["topology"]


@offering(TopologyOptions)
def topology(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="One landscape, or two to compute their distances too (needs gudhi).",
            rich_help_panel=INPUT,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, or folder for two. Default: topology.npz, or topologies.", rich_help_panel=OUTPUT
        ),
    ] = None,
    dimensions: Annotated[
        str,
        typer.Option(
            help="Features: 0 for basins; 0,1 for loops too, and so on (needs gudhi).",
            rich_help_panel=MEASURES,
            metavar="N,N",
        ),
    ] = "0",
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Find the basins of a landscape, their depths and how they merge; for two landscapes, also their distance."""
    if len(files) > 2:
        raise ValueError(f"topology must have one landscape or two, got {len(files)}")
    several = len(files) > 1
    place = place_of(out, len(files), "topologies" if several else "topology", ".npz")
    options = {name: value for name, value in given.items() if value is not None}
    options["dimensions"] = _dimensions(dimensions)
    api.topology(bowl(), **{**options, "measure": "loss", "dimensions": (0,)})  # checked before files are read
    for file in files:
        check_landscape_file(file)
    names = [file.stem for file in files] if len({file.stem for file in files}) == len(files) else ["first", "second"]
    found = [api.topology(landscape_in(file), **options) for file in files]
    for name, one in zip(names, found, strict=True):
        typer.echo(str(one.save(place / f"{name}.npz" if several else place)))
    if pictures:
        file = place / "topologies.png" if several else place.with_suffix(".png")
        draw = partial(views.topologies, dict(zip(names, found, strict=True)))
        typer.echo(str(save_picture(lambda: (draw() if several else found[0].plot())[0], file)))
    for name, one in zip(names, found, strict=True):
        typer.echo(f"\n{name}: {one}" if several else f"\n{one}")
    if several:
        typer.echo("")
        first, second = found
        for dimension in first.dimensions:
            bottleneck, wasserstein = (
                first.distance(second, kind, dimension) for kind in ("bottleneck", "wasserstein")
            )
            typer.echo(f"dimension {dimension}: bottleneck distance {bottleneck:.4g}, wasserstein {wasserstein:.4g}")
        typer.echo(f"Errors explain a bottleneck distance of up to {first.error + second.error:.2g}.")


def _dimensions(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (-1,)
    if min(found) < 0:
        raise ValueError(f"--dimensions must be whole numbers, for example 0,1, got {text:.80}")
    return found
