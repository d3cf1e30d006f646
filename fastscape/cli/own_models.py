"""A model of the user's own on the command line: the names of model and data, its weights, and what is measured.

Without `from __future__ import annotations`, as the options are read from the annotations.
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
    """What says of which data and weights a model of one's own is."""

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
    """And how a model is evaluated whose batches are no pairs."""

    objective: Objective


class OwnOptions(OwnData, total=False):
    """And its loss."""

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
    """And what is measured beside the loss."""

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
    """A model of one's own, of which the modules are imported and nothing else has run.

    Args:
        name: As it was written.
        model: What has that name.
        data_name: The data, as they were written.
        data: What has that name.
        weights: The files of its weights; none where it is as its function returns it.
    """

    name: str
    model: Any
    data_name: str
    data: Any
    weights: tuple[Path, ...]

    def network(self, number: int = 0) -> nn.Module:
        """The model with weights of one of the files.

        Args:
            number: Of the file. Default: the first one.

        Returns:
            The model, a new one if there are several.

        Raises:
            ValueError: When a function ends in an error, or the weights are not those of the model.
            TypeError: When no model came.
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
            What the library takes.

        Raises:
            ValueError: When their function ends in an error.
            TypeError: When there are none.
        """
        data = called(self.data, self.data_name) if _is_function(self.data) else self.data
        if data is None:
            raise TypeError(
                f"{clipped(self.data_name)} must return data as fastscape.surface takes them, got None; write for "
                "example return inputs, targets"
            )
        return data


def own_model(models: Sequence[Path], data: str | None, weights: Sequence[Path] | None) -> OwnModel | None:
    """The model of one's own that a command line names.

    Args:
        models: What came in the place of checkpoints.
        data: What came as `--data`.
        weights: What came as `--weights`.

    Returns:
        The model; None for checkpoints that `fastscape train` wrote.

    Raises:
        ValueError: When a part of it is missing or is not there, or options of both kinds came.
        TypeError: When the name is neither that of a model nor of a function.
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
    """The options of a command that were written, with the functions that they name.

    Args:
        options: What was written, by name; None or an empty list where nothing was.

    Returns:
        The options as the library takes them.

    Raises:
        ValueError: When there is no such function, or two metrics have one name.
        TypeError: When it is no function.
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
    """Says what belongs around weights, which alone are no model."""
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
    """Whether data are made by a call; a Dataset may be one that can be called."""
    return isinstance(data, type) or (callable(data) and not isinstance(data, Dataset))


def _kind(given: Any) -> str:
    """What something is, with its article."""
    name = type(given).__name__
    return "None" if given is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name:.80}"
