"""The command that brings one checkpoint near to another by the order of its units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from fastscape import api
from fastscape.cli.checkpoints import Asked, loaded
from fastscape.cli.options import Root, Split, offering
from fastscape.runs import AlignOptions
from fastscape.zoo.checkpoints import load_checkpoint, save_checkpoint

__all__ = ["align"]

_HEADER = "format", "version", "model", "dataset", "in_channels", "image_size", "classes"


@offering(AlignOptions)
def align(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint that `fastscape train` wrote.")],
    out: Annotated[
        Path, typer.Option(help="The checkpoint to write; the permutations go beside it, as .json.")
    ] = Path("aligned.safetensors"),
    samples: Annotated[
        int | None,
        typer.Option(help="Samples of the checkpoint's data set on which it is proved, from its first. Default: 64."),
    ] = None,
    split: Split = None,
    root: Root = None,
    **given: Any,
) -> None:
    """Permute the units of a checkpoint so that it lies nearest to another one, and prove that it is the same."""
    other: Path | None = given.pop("to")
    if other is None:
        raise ValueError("--to is missing; give the checkpoint to come near to, for example --to a.safetensors")
    if out.suffix != ".safetensors":
        raise ValueError(f"--out {out} came; wanted a name that ends in .safetensors")
    asked = Asked(samples, split, root)
    network, data = loaded(checkpoint, asked)
    facts = load_checkpoint(checkpoint)[1]
    options = {name: value for name, value in given.items() if value is not None}
    found = api.align(network, data, to=load_checkpoint(other)[0], **options, samples=asked.samples_wanted or 1)
    names = {"model_name": facts["model"], "dataset_name": facts["dataset"]}
    more = {name: value for name, value in facts.items() if name not in _HEADER and name != "aligned_to"}
    save_checkpoint(found.model, out, **names, **more, aligned_to=other.name)
    for file in (out, found.save(out.with_suffix(".json"))):
        typer.echo(str(file))
    typer.echo(str(found))
