"""What commands on trained networks have in common: the network and its samples, the options, and what they say."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import typer
from torch import nn
from torch.utils.data import TensorDataset

from fastscape.cli.own_models import OwnModel, own_model, tensors_in, with_functions
from fastscape.engine import Plan
from fastscape.landscape import Landscape
from fastscape.model import accuracy
from fastscape.results import clipped
from fastscape.views import refinement_said, repeats_said
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["Asked", "asking", "loaded", "options_of_command", "said"]

_FEW = 64  # samples


class Asked(NamedTuple):
    """Of which network and which samples a command is, before anything of them is read.

    Args:
        samples: How many samples were asked for, if any.
        split: Part of the data set, or several with commas between them. Default: train.
        root: Folder of the data sets. Default: where they are kept.
        few: How many samples there are where nobody says it; None for all. Default 64.
        own: The model of one's own, if it is one.
    """

    samples: int | None
    split: str | None
    root: Path | None
    few: int | None = _FEW
    own: OwnModel | None = None

    @property
    def samples_wanted(self) -> int | None:
        """How many samples of a data set there are to be; None for all."""
        return self.few if self.samples is None else self.samples

    def other(self, file: Path) -> Any:
        """The model that `--to` names: of a model of one's own a state dict, else a checkpoint."""
        return load_checkpoint(file)[0] if self.own is None else tensors_in(file, "--to")


def asking(
    checkpoints: Sequence[Path], given: dict[str, Any], samples: int | None, split: str | None, root: Path | None
) -> Asked:
    """What a command is asked about. Names are looked up here; no function is called and nothing is read.

    Args:
        checkpoints: What came in the place of checkpoints.
        given: The options of the command by name, of which those of a model of one's own are taken out.
        samples: How many samples, if that was written.
        split: Part of the data set, if that was written.
        root: Folder of the data sets, if that was written.

    Returns:
        What it is; all samples where it is found out how many are needed.

    Raises:
        ValueError: When a model of one's own came, and a name is wrong or an option is one of data sets of the zoo.
        TypeError: When a name is that of something else.
    """
    few = _FEW if given.get("target_standard_error") is None else None
    if "data" not in given:  # a command of checkpoints alone
        return Asked(samples, split, root, few)
    own = own_model(list(checkpoints), given.pop("data"), given.pop("weights"))
    for option, value in {"--samples": samples, "--split": split, "--root": root}.items():
        if own is not None and value is not None:
            raise ValueError(
                f"{option} {clipped(value)} came with --data {clipped(own.data_name)}, of which all samples are "
                f"taken; leave {option} out, and have --data name those that are wanted"
            )
    return Asked(samples, split, root, few, own)


def options_of_command(given: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """What was written, as the library takes it.

    Args:
        given: The options of a command by name, None where one was not written.
        asked: What the command is about: of a network of the zoo the accuracy is measured too.

    Returns:
        The options of `surface` or `line`.
    """
    options = with_functions({name: value for name, value in given.items() if value is not None})
    if asked.own is None and "objective" not in options:
        options["metrics"] = {"accuracy": accuracy} | options.get("metrics", {})
    if "plan" in options:
        options["plan"] = Plan.load(options["plan"])
    return options


def loaded(checkpoint: Path, asked: Asked) -> tuple[nn.Module, Any]:
    """A trained network, and the first samples of its data set, or all; or a model of one's own and its data.

    Args:
        checkpoint: The file, as `fastscape train` wrote it.
        asked: Which samples, and whether it is a model of one's own.

    Returns:
        The network, and inputs and targets; of several parts by the name of the part.

    Raises:
        ValueError: When there are to be no samples, or the network does not fit the data set.
    """
    if asked.own is not None:
        return asked.own.loaded()
    samples = asked.samples_wanted
    if samples is not None and samples < 1:
        raise ValueError(f"--samples {samples} came; wanted at least 1, for example --samples 64")
    network, facts = load_checkpoint(checkpoint)
    names = [name.strip() for name in ("train" if asked.split is None else asked.split).split(",")]
    sets = {name: datasets.load(facts["dataset"], name, root=asked.root) for name in names}
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
