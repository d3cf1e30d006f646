"""The command for the basins of landscapes that were computed, and how far those of two are apart."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api, views
from fastscape.cli.options import offering
from fastscape.cli.pictures import save_picture
from fastscape.landscape import Landscape
from fastscape.persistence import TopologyOptions

__all__ = ["topology"]


@offering(TopologyOptions)
def topology(
    files: Annotated[
        list[Path], typer.Argument(help="A landscape; or two, of which the distances are computed too (with gudhi).")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write, or the folder of two. Default: topology.npz, or topologies."),
    ] = None,
    dimensions: Annotated[
        str, typer.Option(help="Of which features: 0 for basins, 0,1 for loops too (with gudhi), and so on.")
    ] = "0",
    pictures: Annotated[bool, typer.Option(help="Whether to draw a picture too, beside the file.")] = True,
    **given: Any,
) -> None:
    """Find the basins of a landscape, how deep they are and how they merge; of two, how far apart they are."""
    if len(files) > 2:
        raise ValueError(f"{len(files)} landscapes came; wanted one, or two to compare")
    several = len(files) > 1
    place = out or Path("topologies" if several else "topology.npz")
    if several == (place.suffix == ".npz"):
        wanted = "a folder, for example --out topologies" if several else "a name that ends in .npz"
        raise ValueError(f"--out {place} came for {'two landscapes' if several else 'a landscape'}; wanted {wanted}")
    options = {name: value for name, value in given.items() if value is not None}
    options["dimensions"] = _dimensions(dimensions)
    names = [file.stem for file in files] if len({file.stem for file in files}) == len(files) else ["first", "second"]
    found = [api.topology(Landscape.load(file), **options) for file in files]
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
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--dimensions {text!r:.80} came; wanted whole numbers, for example 0,1") from None
