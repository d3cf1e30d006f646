"""The command that describes a file, or the machine that fastscape runs on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import fastscape
from fastscape.cli.option_texts import INPUT, OUTPUT
from fastscape.cli.terminal import table
from fastscape.landscape import Landscape
from fastscape.reports import Topology
from fastscape.results import clipped, plain_json
from fastscape.runs import environment
from fastscape.views import overview
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["info"]


def info(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="Landscape, store, topology or checkpoint. Default: this machine.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show the whole report.", rich_help_panel=OUTPUT)] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole report as JSON.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Show what a file contains and how it was made, or what fastscape runs on here."""
    if everything and as_json:
        raise ValueError("--all must come without --json, got both; they show the same report, as a table or as JSON")
    if file is None:
        place = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _show({"fastscape": fastscape.__version__, **environment(place)}, as_json)
    elif file.suffix == ".safetensors" and file.exists():
        _show(load_checkpoint(file)[1], as_json)
    else:
        found = _read(file)
        if not as_json:
            typer.echo(str(found) if isinstance(found, Topology) else repr(found))
        if as_json or everything:
            _show(found.report, as_json)
        elif isinstance(found, Landscape):
            table(overview(found))
            if found.report:
                typer.echo("--all shows the whole report, --json gives it to a program")


def _read(file: Path) -> Landscape | Topology:
    """The landscape or the topology in a file; both kinds of files have the same ending."""
    if not file.exists():
        raise FileNotFoundError(
            f"the file must be a landscape, store, topology or checkpoint, got {clipped(file)}, which does not exist"
        )
    try:
        return Landscape.load(file)
    except ValueError:
        if file.suffix == ".npz":
            try:
                return Topology.load(file)
            except ValueError:  # a file that is neither gets the error for landscapes
                pass
        raise


def _show(facts: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(plain_json(facts), indent=1, allow_nan=False))
    else:
        table(facts)
