"""The command that permutes the units of a model to bring it close to a different model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from safetensors.torch import save
from torch import nn

from fastscape import api
from fastscape.cli.checkpoints import Asked, asking
from fastscape.cli.option_texts import OUTPUT
from fastscape.cli.options import Checkpoint, FewSamples, Root, Split, offering
from fastscape.cli.own_models import OwnObjective, with_functions
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.values import ending_in
from fastscape.results import write_whole
from fastscape.runs import AlignOptions
from fastscape.zoo.checkpoints import save_checkpoint

__all__ = ["align"]

_HEADER = "format", "version", "model", "dataset", "in_channels", "image_size", "classes"


@offering(OwnObjective, AlignOptions)
def align(
    checkpoint: Checkpoint,
    out: Annotated[
        Path,
        typer.Option(
            help="Aligned weights to write; the permutations are written beside them, as .json.",
            rich_help_panel=OUTPUT,
            callback=ending_in("--out", ".safetensors"),
        ),
    ] = Path("aligned.safetensors"),
    samples: FewSamples = None,
    split: Split = None,
    root: Root = None,
    **given: Any,
) -> None:
    """Permute the units of a model to bring it close to a second model, and verify that its outputs stay the same."""
    to: Path | None = given["to"]
    if to is None:
        raise ValueError("--to must be the reference model, got nothing; write for example --to a.safetensors")
    asked = asking([checkpoint], given, samples, split, root, most=1)
    options = with_functions({name: value for name, value in given.items() if name != "to"})
    rehearsed(api.align, others=("to",), **options)
    other = asked.other(to)
    network, data = asked.loaded()
    found = api.align(network, data, to=other, **options, samples=asked.samples or 1)
    _save(found.model, asked, out, to)
    for file in (out, found.save(out.with_suffix(".json"))):
        typer.echo(str(file))
    typer.echo(str(found))


def _save(model: nn.Module, asked: Asked, out: Path, to: Path) -> None:
    """Writes a checkpoint of the zoo with its facts, or the state dict of the user's own model."""
    if asked.own is not None:
        state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
        write_whole(out, save(state))
        return
    facts = asked.facts()
    names = {"model_name": facts["model"], "dataset_name": facts["dataset"]}
    more = {name: value for name, value in facts.items() if name not in _HEADER and name != "aligned_to"}
    save_checkpoint(model, out, **names, **more, aligned_to=to.name)
