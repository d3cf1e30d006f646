"""The user's own model on the command line: the names of model and data, its weights, and the loss and metrics.

This file has no `from __future__ import annotations`, because the options are read from the annotations.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from torch import nn
from torch.utils.data import Dataset

from fastscape.cli.named_objects import called, is_name, named
from fastscape.cli.option_texts import INPUT, MEASURES
from fastscape.cli.own_weights import check_there, put_into, saved_by_torch
from fastscape.results import Option, clipped

__all__ = ["OwnData", "OwnMeasures", "OwnModel", "OwnObjective", "OwnOptions", "own_model", "with_functions"]

_CALL = "package.module:make_model --data package.module:make_data --weights last.pt"


Objective = Annotated[
    str | None,
    Option(
        None,
        "Function f(model, batch) for batches that are not (inputs, targets); it replaces the loss.",
        MEASURES,
        str,
    ),
]


class OwnData(TypedDict, total=False):
    """The options for the data and weights of the user's own model."""

    data: Annotated[
        str | None,
        Option(
            None,
            "Data for your own model, or a function that returns them: package.module:name or path/to/file.py:name.",
            INPUT,
            str,
        ),
    ]
    weights: Annotated[
        Sequence[Path] | None,
        Option(
            None,
            "State dict for your own model (torch.save, safetensors), or a Recorder's folder; repeat it for several "
            "models.",
            INPUT,
            list[Path],
        ),
    ]


class OwnObjective(OwnData, total=False):
    """The same options, and the objective for batches that are not pairs."""

    objective: Objective


class OwnOptions(OwnData, total=False):
    """The same options, and the loss."""

    loss: Annotated[
        str | None,
        Option(
            None,
            "Loss f(outputs, targets), for example torch.nn.functional:mse_loss. Default: cross-entropy.",
            MEASURES,
            str,
        ),
    ]
    objective: Objective


class OwnMeasures(OwnOptions, total=False):
    """The same options, and the metrics."""

    metric: Annotated[
        list[str] | None,
        Option(
            None,
            "Metric f(outputs, targets), for example fastscape:accuracy; repeatable. Default: the accuracy of a "
            "checkpoint.",
            MEASURES,
            list[str],
            beside="loss",
        ),
    ]


class OwnModel(NamedTuple):
    """The user's own model; its modules are imported, but no function has been called.

    Args:
        name: The name of the model, as given.
        model: The object of that name.
        data_name: The name of the data, as given.
        data: The object of that name.
        weights: The files of weights; empty if the weights of the returned model are used.
    """

    name: str
    model: Any
    data_name: str
    data: Any
    weights: tuple[Path, ...]

    def network(self, number: int = 0) -> nn.Module:
        """The model with the weights of one of the files.

        Args:
            number: The index of the file. Default: the first.

        Returns:
            The model; a separate copy per file if there are several.

        Raises:
            ValueError: When a function ends in an error, or the weights do not fit the model.
            TypeError: When the function returns no model.
        """
        model = self.model if isinstance(self.model, nn.Module) else called(self.model, self.name)
        if not isinstance(model, nn.Module):
            raise TypeError(f"{clipped(self.name)} must return a torch.nn.Module, got {_kind(model)}")
        if len(self.weights) > 1:
            model = copy.deepcopy(model)  # a function may return the same one every time
        if self.weights:
            put_into(model, self.weights[number])
        return model

    def data_read(self) -> Any:
        """The data.

        Returns:
            The data in the form that the library takes.

        Raises:
            ValueError: When the function that makes the data ends in an error.
            TypeError: When the function returns None.
        """
        data = called(self.data, self.data_name) if _is_function(self.data) else self.data
        if data is None:
            raise TypeError(
                f"{clipped(self.data_name)} must return data as fastscape.surface takes them, got None; write for "
                "example return inputs, targets"
            )
        return data


def own_model(models: Sequence[Path], data: str | None, weights: Sequence[Path] | None) -> OwnModel | None:
    """The user's own model that a command line names.

    Args:
        models: The arguments in the place of checkpoints.
        data: The value of `--data`.
        weights: The values of `--weights`.

    Returns:
        The model; None for checkpoints that `fastscape train` wrote.

    Raises:
        ValueError: When a part of it is missing or does not exist, or options of both kinds are given.
        TypeError: When the named object is neither a model nor a function.
    """
    first = str(models[0])
    options = {"--data": data, "--weights": weights or None}
    written = next((option for option, value in options.items() if value is not None), None)
    files = [file for file in models if file.exists()]
    if written is None and (files or not any(is_name(str(one)) for one in models)):
        _check_no_state_dict(models)
        return None
    if files:
        raise ValueError(
            f"{written} is for a model of your own, got the file {clipped(files[0])}; leave {written} out for a "
            f"checkpoint that `fastscape train` wrote, or write {_CALL}"
        )
    if len(models) > 1:
        raise ValueError(
            f"a model of your own must be named once, got {len(models)} names; write --weights for each: {_CALL}"
        )
    if data is None:
        raise ValueError(f"{clipped(first)} needs --data; write for example {_CALL}")
    model = named(first, "the model")
    if not isinstance(model, nn.Module) and not callable(model):
        raise TypeError(
            f"{clipped(first)} must be a torch.nn.Module or a function that returns one, got {_kind(model)}"
        )
    found = named(data, "--data")
    for file in weights or ():
        check_there(file, "--weights")
    return OwnModel(first, model, data, found, tuple(weights or ()))


def with_functions(options: Mapping[str, Any]) -> dict[str, Any]:
    """The given options of a command, with names replaced by the functions that they name.

    Args:
        options: The options by name; None or an empty list for options not given.

    Returns:
        The options in the form that the library takes.

    Raises:
        ValueError: When there is no such function, or two metrics have the same name.
        TypeError: When the named object is not a function.
    """
    found = {name: value for name, value in options.items() if value is not None and value != []}
    metrics: dict[str, Any] = {}
    for text in found.pop("metric", None) or []:
        name = text.rpartition(":")[2]
        if name in metrics:
            raise ValueError(f"metrics must have different names, got --metric twice with the name {name:.80}")
        metrics[name] = _function(text, "--metric")
    for option in ("loss", "objective"):
        if option in found:
            found[option] = _function(found[option], f"--{option}")
    return found | ({"metrics": metrics} if metrics else {})


def _check_no_state_dict(models: Sequence[Path]) -> None:
    """Refuses a state dict in the place of a model, and says how to name the model."""
    for file in models:
        if file.suffix == ".py" or (file.is_file() and saved_by_torch(file)):
            raise ValueError(
                f"the model must be a checkpoint from `fastscape train` or the name of your own, got {clipped(file)}; "
                f"write for example {_CALL}"
            )


def _function(text: str, option: str) -> Callable[..., Any]:
    found = named(text, option)
    if not callable(found):
        raise TypeError(f"{option} must name a function, got {_kind(found)}: {clipped(text)}")
    function: Callable[..., Any] = found
    return function


def _is_function(data: Any) -> bool:
    """Whether the data are a function to call; a Dataset may be callable too."""
    return isinstance(data, type) or (callable(data) and not isinstance(data, Dataset))


def _kind(given: Any) -> str:
    """The type of an object in words, with its article."""
    name = type(given).__name__
    return "None" if given is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name:.80}"
