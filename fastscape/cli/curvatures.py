"""The commands for the curvature of a loss at models: the spectrum of its Hessian, and its sharpness."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api
from fastscape.cli.checkpoints import asking
from fastscape.cli.option_texts import OUTPUT
from fastscape.cli.options import Checkpoint, FewSamples, Models, Pictures, Root, SeveralOut, Split, offering
from fastscape.cli.own_models import OwnOptions, with_functions
from fastscape.cli.pictures import save_picture
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import names_of, place_of
from fastscape.cli.values import ending_in
from fastscape.reports import Sharpness, SideBySide
from fastscape.runs import SharpnessOptions, SpectrumOptions

__all__ = ["sharpness", "spectrum"]


@offering(OwnOptions, SpectrumOptions)
def spectrum(
    checkpoint: Checkpoint,
    out: Annotated[
        Path,
        typer.Option(
            help="File to write; the picture is written beside it.",
            rich_help_panel=OUTPUT,
            callback=ending_in("--out", ".json"),
        ),
    ] = Path("spectrum.json"),
    samples: FewSamples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute eigenvalues, density and trace of the Hessian of a model's loss, and draw them."""
    started = time.perf_counter()
    asked = asking([checkpoint], given, samples, split, root, most=1)
    options = with_functions(given)
    rehearsed(api.spectrum, **options)
    network, data = asked.loaded()
    found = api.spectrum(network, data, **options)
    typer.echo(str(found.save(out)))
    if pictures:
        typer.echo(str(save_picture(found.plot, out.with_suffix(".png"))))
    typer.echo(f"{found!r}, {found.samples} samples, {time.perf_counter() - started:.1f} s")


@offering(OwnOptions, SharpnessOptions)
def sharpness(
    checkpoints: Models,
    out: SeveralOut = None,
    samples: FewSamples = None,
    split: Split = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Measure the sharpness of the loss around a model, or around several models side by side, and draw it."""
    asked = asking(checkpoints, given, samples, split, root)
    several, names = len(asked.files) > 1, names_of(asked.files)
    place = place_of(out, len(names), "sharpness", ".json")
    options = with_functions(given)
    rehearsed(api.sharpness, **options)
    reports: dict[str, Sharpness] = {}
    for k, name in enumerate(names):
        network, data = asked.loaded(k)
        reports[name] = api.sharpness(network, data, **options)
        typer.echo(str(reports[name].save(place / f"{name}.json" if several else place)))
    shown = SideBySide(reports) if several else reports[names[0]]
    if pictures:
        file = place / "sharpness.png" if several else place.with_suffix(".png")
        typer.echo(str(save_picture(shown.plot, file)))
    typer.echo(str(shown))
