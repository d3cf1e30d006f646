"""The commands that say how a loss bends around checkpoints: the spectrum of its Hessian, and its sharpness."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api
from fastscape.cli.checkpoints import asking, loaded
from fastscape.cli.options import OWN, Checkpoint, Root, Split, offering
from fastscape.cli.own_models import OwnOptions, with_functions
from fastscape.cli.pictures import save_picture
from fastscape.cli.several_checkpoints import names_of
from fastscape.reports import Sharpness, SideBySide
from fastscape.runs import SharpnessOptions, SpectrumOptions

__all__ = ["sharpness", "spectrum"]

Samples = Annotated[
    int | None, typer.Option(help="Samples of the checkpoint's data set, from its first. Default: 64.")
]
Pictures = Annotated[bool, typer.Option(help="Whether to draw a picture too, beside the file.")]


@offering(OwnOptions, SpectrumOptions)
def spectrum(
    checkpoint: Checkpoint,
    out: Annotated[Path, typer.Option(help="The file to write: .json.")] = Path("spectrum.json"),
    samples: Samples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute eigenvalues, density and trace of the Hessian of a model's loss, and draw them."""
    _check_out(out)
    started = time.perf_counter()
    asked = asking([checkpoint], given, samples, split, root)
    options = _written(given)
    network, data = loaded(checkpoint, asked)
    found = api.spectrum(network, data, **options)
    typer.echo(str(found.save(out)))
    if pictures:
        typer.echo(str(save_picture(found.plot, out.with_suffix(".png"))))
    typer.echo(f"{found!r}, {found.samples} samples, {time.perf_counter() - started:.1f} s")


@offering(OwnOptions, SharpnessOptions)
def sharpness(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(help=f"Checkpoints that `fastscape train` wrote; several are shown side by side. {OWN}"),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write, or the folder of several. Default: sharpness.json, or sharpness."),
    ] = None,
    samples: Samples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Measure how sharp the loss is around a model, or around several checkpoints side by side, and draw it."""
    several = len(checkpoints) > 1
    names = names_of(checkpoints)
    place = out or Path("sharpness" if several else "sharpness.json")
    if not several:
        _check_out(place)
    elif place.suffix == ".json":
        raise ValueError(
            f"--out {place} came with {len(checkpoints)} checkpoints; give a folder, for example --out sharp"
        )
    asked = asking(checkpoints, given, samples, split, root)
    options = _written(given)
    reports: dict[str, Sharpness] = {}
    for name, checkpoint in zip(names, checkpoints, strict=True):
        network, data = loaded(checkpoint, asked)
        reports[name] = api.sharpness(network, data, **options)
        typer.echo(str(reports[name].save(place / f"{name}.json" if several else place)))
    shown = SideBySide(reports) if several else reports[names[0]]
    if pictures:
        file = place / "sharpness.png" if several else place.with_suffix(".png")
        typer.echo(str(save_picture(shown.plot, file)))
    typer.echo(str(shown))


def _written(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were written; lists that were not are empty. Names of functions are looked up."""
    return with_functions({name: value for name, value in given.items() if value is not None and value != []})


def _check_out(out: Path) -> None:
    """Refuses a name before anything is computed."""
    if out.suffix != ".json":
        raise ValueError(f"--out {out} came; wanted a name that ends in .json")
