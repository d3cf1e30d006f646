"""What commands on trained networks have in common: the network and its samples, the options, and what they say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import typer
from torch import nn
from torch.utils.data import TensorDataset

from fastscape.engine import Plan
from fastscape.landscape import Landscape
from fastscape.model import accuracy
from fastscape.results import clipped
from fastscape.views import refinement_said, repeats_said
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["loaded", "options_of_command", "said", "samples_wanted"]

_FEW = 64  # samples


def options_of_command(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was written, as the library takes it.

    Args:
        given: The options of a command by name, None where one was not written.

    Returns:
        The options of `surface` or `line`.
    """
    options = {"metrics": {"accuracy": accuracy}} | {n: value for n, value in given.items() if value is not None}
    if "plan" in options:
        options["plan"] = Plan.load(options["plan"])
    return options


def samples_wanted(samples: int | None, options: Mapping[str, Any]) -> int | None:
    """How many samples there are to be.

    Args:
        samples: How many were asked for.
        options: As `options_of_command` gives them.

    Returns:
        The number: few where nobody says it, unless it is found out how many are needed; None for all.
    """
    return _FEW if samples is None and "target_standard_error" not in options else samples


def loaded(checkpoint: Path, samples: int | None, split: str, root: Path | None) -> tuple[nn.Module, Any]:
    """A trained network, and the first samples of its data set, or all.

    Args:
        checkpoint: The file, as `fastscape train` wrote it.
        samples: How many samples; None for all.
        split: Part of the data set, or several with commas between them.
        root: Folder of the data sets.

    Returns:
        The network, and inputs and targets; of several parts by the name of the part.

    Raises:
        ValueError: When there are to be no samples, or the network does not fit the data set.
    """
    if samples is not None and samples < 1:
        raise ValueError(f"--samples {samples} came; wanted at least 1, for example --samples 64")
    network, facts = load_checkpoint(checkpoint)
    names = [name.strip() for name in split.split(",")]
    sets = {name: datasets.load(facts["dataset"], name, root=root) for name in names}
    _check_fits(checkpoint, network, sets[names[0]], facts["dataset"])
    found = {name: data[:samples] for name, data in sets.items()}
    return network, found if len(found) > 1 else found[names[0]]


def _check_fits(checkpoint: Path, network: nn.Module, data: TensorDataset, name: str) -> None:
    """Refuses a network that cannot take the images of its data set, or has not all of its classes."""
    classes = datasets.describe(data).classes
    with torch.no_grad():
        try:
            logits = network(data[:1][0])
        except RuntimeError as error:
            raise ValueError(
                f"the network in {checkpoint} cannot take the images of {name} ({clipped(error)}); give a checkpoint "
                "that `fastscape train` wrote"
            ) from error
    if logits.shape[1] < classes:
        raise ValueError(
            f"the network in {checkpoint} tells {logits.shape[1]} classes apart, and {name} has {classes}; give a "
            "checkpoint that `fastscape train` wrote"
        )


def said(files: Sequence[Path], landscape: Landscape, started: float) -> None:
    """Says what was computed.

    Args:
        files: What was written.
        landscape: The landscape.
        started: When the command began, by `time.perf_counter`.
    """
    for file in files:
        typer.echo(str(file))
    samples, error = str(landscape.report["samples"]), landscape.report["standard_error"] or {}
    if "target" in error:
        samples += f" of {error['available']}"
    typer.echo(f"{landscape!r}, {samples} samples, {time.perf_counter() - started:.1f} s")
    if not error.get("met", True):
        typer.echo(f"the standard error is not everywhere within {error['target']:g} of the range")
    for sentence in filter(None, [refinement_said(landscape), repeats_said(landscape)]):
        typer.echo(sentence)
