"""Parts shared by commands on trained networks: the networks and their samples, the options, and the output."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import typer
from torch import nn
from torch.utils.data import TensorDataset

from fastscape.cli.own_models import OwnModel, own_model, with_functions
from fastscape.cli.own_weights import check_there, tensors_in
from fastscape.engine import Plan
from fastscape.landscape import Landscape
from fastscape.model import accuracy
from fastscape.results import clipped
from fastscape.views import refinement_said, repeats_said
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["Asked", "asking", "options_of_command", "said"]

_FEW = 64  # samples


@dataclass(frozen=True, eq=False)
class Asked:
    """The networks and samples of a command, before any of them is read.

    Args:
        files: The sources of the networks: checkpoints, or the weights or the name of the user's own model.
        samples: Number of samples of a data set; None for all.
        split: Part of the data set, or several parts separated by commas. Default: train.
        root: Folder of the data sets. Default: the usual folder.
        own: The user's own model, if there is one.
    """

    files: tuple[Path, ...]
    samples: int | None = _FEW
    split: str | None = None
    root: Path | None = None
    own: OwnModel | None = None

    def network(self, number: int = 0) -> nn.Module:
        """One of the networks.

        Args:
            number: The index of the network. Default: the first.

        Returns:
            The network.
        """
        return _checkpoint(self.files[number])[0] if self.own is None else self.own.network(number)

    def facts(self, number: int = 0) -> dict[str, str]:
        """The facts in the file of a checkpoint: its network, its data set and so on.

        Args:
            number: The index of the checkpoint. Default: the first.

        Returns:
            The facts.
        """
        return _checkpoint(self.files[number])[1]

    def loaded(self, number: int = 0) -> tuple[nn.Module, Any]:
        """One of the networks, and its samples.

        Args:
            number: The index of the network. Default: the first.

        Returns:
            The network, and its inputs and targets; several parts of the data are given by name. Or the user's own
            model and its data.

        Raises:
            ValueError: When the network does not fit the data set.
        """
        if self.own is not None:
            return self.own.network(number), self._own_data
        file = self.files[number]
        network, facts = _checkpoint(file)
        names = [name.strip() for name in ("train" if self.split is None else self.split).split(",")]
        sets = {name: datasets.load(facts["dataset"], name, root=self.root) for name in names}
        _check_fits(file, network, sets[names[0]], facts["dataset"])
        found = {name: data[: self.samples] for name, data in sets.items()}
        return network, found if len(found) > 1 else found[names[0]]

    def other(self, file: Path) -> Any:
        """The model that `--to` names: a state dict for the user's own model, else a checkpoint."""
        return _checkpoint(file)[0] if self.own is None else tensors_in(file, "--to")

    @cached_property
    def _own_data(self) -> Any:
        assert self.own is not None
        return self.own.data_read()


def asking(
    models: Sequence[Path],
    given: dict[str, Any],
    samples: int | None,
    split: str | None,
    root: Path | None,
    *,
    few: int | None = _FEW,
    most: int | None = None,
) -> Asked:
    """Finds the networks and samples of a command. Names are looked up; no function is called and no data are read.

    Args:
        models: The arguments in the place of checkpoints.
        given: The options of the command by name; options of the user's own model are removed from it.
        samples: Number of samples, if given.
        split: Part of the data set, if given.
        root: Folder of the data sets, if given.
        few: Default number of samples of a data set; None for all. Default 64.
        most: Largest number of networks that the command takes. Default: any number.

    Returns:
        The networks and samples; all samples if a target standard error determines how many are read.

    Raises:
        ValueError: When a name of the user's own model is wrong, or comes with an option for data sets of the zoo.
        TypeError: When a name belongs to an object of a different kind.
    """
    own = own_model(models, given.pop("data"), given.pop("weights"))
    for option, value in {"--samples": samples, "--split": split, "--root": root}.items():
        if own is not None and value is not None:
            raise ValueError(
                f"{option} is for data sets of the zoo, got --data {clipped(own.data_name)}, whose samples are all "
                f"used; leave {option} out, and let --data give only the samples you want"
            )
    if given.get("to") is not None:
        check_there(given["to"], "--to")
    files = tuple(models) if own is None else own.weights or (Path(own.name),)
    if most is not None and len(files) > most:
        raise ValueError(f"--weights must come at most {most} times here, got {len(files)}")
    if given.get("target_standard_error") is not None:
        few = None
    return Asked(files, few if samples is None else samples, split, root, own)


def options_of_command(given: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """The given options in the form that the library takes.

    Args:
        given: The options of a command by name; None for options not given.
        asked: The networks and samples; for networks of the zoo, accuracy is added to the metrics.

    Returns:
        The options of `surface` or `line`.
    """
    options = with_functions(given)
    if asked.own is None and "objective" not in options:
        options["metrics"] = {"accuracy": accuracy} | options.get("metrics", {})
    if "plan" in options:
        options["plan"] = Plan.load(options["plan"])
    return options


def _checkpoint(file: Path) -> tuple[nn.Module, dict[str, str]]:
    """A network of the zoo, and the facts in its file."""
    if not file.is_file():
        why = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"the model must be a checkpoint from `fastscape train` or the name of your own, got {clipped(file)}, "
            f"which {why}; write for example model.safetensors, or package.module:make_model with --data"
        )
    return load_checkpoint(file)


def _check_fits(checkpoint: Path, network: nn.Module, data: TensorDataset, name: str) -> None:
    """Refuses a network that cannot take the images of its data set, or lacks some of its classes."""
    classes = datasets.describe(data).classes
    with torch.no_grad():
        try:
            logits = network(data[:1][0])
        except RuntimeError as error:
            raise ValueError(
                f"the network in {checkpoint} must take the images of {name}, got {clipped(error)}; give a checkpoint "
                "from `fastscape train`"
            ) from error
    if logits.shape[1] < classes:
        raise ValueError(
            f"the network in {checkpoint} must have the {classes} classes of {name}, got {logits.shape[1]}; give a "
            "checkpoint from `fastscape train`"
        )


def said(files: Sequence[Path], landscape: Landscape, started: float) -> None:
    """Prints the written files and a summary of the landscape.

    Args:
        files: The files that were written.
        landscape: The landscape.
        started: Start of the command, from `time.perf_counter`.
    """
    for file in files:
        typer.echo(str(file))
    samples, error = str(landscape.report["samples"]), landscape.report["standard_error"] or {}
    if "target" in error:
        samples += f" of {error['available']}"
    typer.echo(f"{landscape!r}, {samples} samples, {time.perf_counter() - started:.1f} s")
    if not error.get("met", True):
        typer.echo(f"at some points the standard error is above {error['target']:g} of the range")
    for sentence in filter(None, [refinement_said(landscape), repeats_said(landscape)]):
        typer.echo(sentence)
