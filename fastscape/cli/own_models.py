"""A model of the user's own on the command line: the names of model and data, its weights, and what is measured.

Without `from __future__ import annotations`, as the options are read from the annotations.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict

from torch import Tensor, nn
from torch.utils.data import Dataset

from fastscape.cli.named_objects import called, is_name, named
from fastscape.results import Option, clipped
from fastscape.weights import listed, named_as, readable

__all__ = ["OwnMeasures", "OwnModel", "OwnOptions", "own_model", "tensors_in", "with_functions"]

GROUP = "A model of your own"

_CALL = "package.module:make_model --data package.module:make_data --weights last.pt"


class OwnOptions(TypedDict, total=False):
    """What says of which data and weights a model of one's own is, and its loss."""

    data: Annotated[
        str | None,
        Option(
            None,
            "The data of a model of your own, as `package.module:name` or `path/to/file.py:name`: what `fastscape."
            "surface` takes as data in Python, or a function without arguments that returns it. Its module is "
            "imported, which runs your code. Default: the data set of the checkpoint.",
            GROUP,
            str,
            sentences=2,
        ),
    ]
    weights: Annotated[
        Path | None,
        Option(
            None,
            "The weights of a model of your own: a state dict that torch.save or safetensors has written. Default: "
            "the model as its function returns it.",
            GROUP,
            Path,
        ),
    ]
    loss: Annotated[
        str | None,
        Option(
            None,
            "The loss `f(outputs, targets)`, for example torch.nn.functional:mse_loss. Default: cross-entropy.",
            GROUP,
            str,
        ),
    ]
    objective: Annotated[
        str | None,
        Option(
            None,
            "In the place of loss and metrics `f(model, batch)`, for batches that are no pairs of inputs and targets. "
            "Default: none.",
            GROUP,
            str,
        ),
    ]


class OwnMeasures(OwnOptions, total=False):
    """And what is measured beside the loss."""

    metric: Annotated[
        list[str] | None,
        Option(
            None,
            "A metric `f(outputs, targets)`, for example fastscape:accuracy; may be written several times. Default: "
            "of a checkpoint the accuracy, of a model of your own none.",
            GROUP,
            list[str],
        ),
    ]


class OwnModel(NamedTuple):
    """A model of one's own, of which the modules are imported and nothing else has run.

    Args:
        name: As it was written.
        model: What has that name.
        data_name: The data, as they were written.
        data: What has that name.
        weights: The file of its weights, if there is one.
    """

    name: str
    model: Any
    data_name: str
    data: Any
    weights: Path | None

    def loaded(self) -> tuple[nn.Module, Any]:
        """The model with its weights, and then the data.

        Returns:
            What the library takes.

        Raises:
            ValueError: When a function ends in an error, or the weights are not those of the model.
            TypeError: When no model came, or no data.
        """
        model = self.model if isinstance(self.model, nn.Module) else called(self.model, self.name)
        if not isinstance(model, nn.Module):
            raise TypeError(f"{clipped(self.name)} returned {_kind(model)}; wanted a torch.nn.Module")
        if self.weights is not None:
            _load(model, self.weights)
        data = called(self.data, self.data_name) if _is_function(self.data) else self.data
        if data is None:
            raise TypeError(
                f"{clipped(self.data_name)} returned None; wanted data as fastscape.surface takes them, for example "
                "return inputs, targets"
            )
        return model, data


def own_model(checkpoints: list[Path], data: str | None, weights: Path | None) -> OwnModel | None:
    """The model of one's own that a command line names.

    Args:
        checkpoints: What came in the place of checkpoints.
        data: What came as `--data`.
        weights: What came as `--weights`.

    Returns:
        The model; None for checkpoints that `fastscape train` wrote.

    Raises:
        ValueError: When a part of it is missing or is not there, or options of both kinds came.
        TypeError: When the name is neither that of a model nor of a function.
    """
    first = str(checkpoints[0])
    options = {"--data": data, "--weights": weights}
    written = next((option for option, value in options.items() if value is not None), None)
    files = [file for file in checkpoints if file.exists()]
    if written is None and (files or not any(is_name(str(one)) for one in checkpoints)):
        _check_no_state_dict(checkpoints)
        return None
    if files:
        raise ValueError(
            f"{written} came with the file {clipped(files[0])}; leave {written} out for a checkpoint that `fastscape "
            f"train` wrote, or name a model of your own: {_CALL}"
        )
    if len(checkpoints) > 1:
        raise ValueError(f"{len(checkpoints)} models of your own came; wanted one: {_CALL}")
    if data is None:
        raise ValueError(f"{clipped(first)} came without --data; write for example {_CALL}")
    model = named(first, "the model")
    if not isinstance(model, nn.Module) and not callable(model):
        raise TypeError(
            f"{clipped(first)} is {_kind(model)}; wanted a torch.nn.Module, or a function that returns one"
        )
    found = named(data, "--data")
    if weights is not None:
        _check_file(weights, "--weights")
    return OwnModel(first, model, data, found, weights)


def with_functions(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a command with the functions that they name.

    Args:
        options: What was written, by name.

    Returns:
        The options as the library takes them.

    Raises:
        ValueError: When there is no such function, or two metrics have one name.
        TypeError: When it is no function.
    """
    found = dict(options)
    metrics: dict[str, Any] = {}
    for text in found.pop("metric", None) or []:
        name = text.rpartition(":")[2]
        if name in metrics:
            raise ValueError(f"--metric came twice with the name {name:.80}; wanted a name for each metric")
        metrics[name] = _function(text, "--metric")
    for option in ("loss", "objective"):
        if option in found:
            found[option] = _function(found[option], f"--{option}")
    return found | ({"metrics": metrics} if metrics else {})


def tensors_in(file: Path, option: str) -> dict[str, Tensor]:
    """The tensors of a state dict in a file.

    Args:
        file: The file.
        option: What it came as, for the error.

    Returns:
        The tensors by name.

    Raises:
        ValueError: When there is no such file, or it holds no state dict.
    """
    _check_file(file, option)
    return readable(file, option).tensors()


def _check_file(file: Path, option: str) -> None:
    if not file.is_file():
        raise ValueError(
            f"there is no file {clipped(file)}, which came as {option}; wanted a state dict that torch.save or "
            "safetensors has written"
        )


def _check_no_state_dict(checkpoints: list[Path]) -> None:
    """Says what belongs around weights, which alone are no model."""
    for file in checkpoints:
        if file.suffix == ".py" or (file.is_file() and _saved_by_torch(file)):
            raise ValueError(
                f"{clipped(file)} came; wanted a checkpoint that `fastscape train` wrote, or a model of your own by "
                f"its name: {_CALL}"
            )


def _saved_by_torch(file: Path) -> bool:
    """Whether it is a file of `torch.save`, which is a zip archive."""
    with file.open("rb") as opened:
        return opened.read(4) == b"PK\x03\x04"


def _load(model: nn.Module, file: Path) -> None:
    """Puts the weights of a file into a model, whatever wrappers have put before their names."""
    here = model.state_dict(keep_vars=True)
    found = dict(named_as(list(here), tensors_in(file, "--weights")))
    if "n_averaged" not in here:
        found.pop("n_averaged", None)  # of torch's AveragedModel
    try:
        odd = model.load_state_dict(found, strict=False)
    except RuntimeError as error:
        said = str(error).partition("\n")[2].strip() or str(error)  # the first line names the class
        raise ValueError(
            f"the weights in {clipped(file)} are not those of the model: {clipped(said)}; wanted a state dict of it"
        ) from error
    there = {id(here[name]) for name in found if name in here}
    missing = [name for name in odd.missing_keys if id(here.get(name)) not in there]  # files leave out tied names
    for names, fault in ((missing, "lack"), (odd.unexpected_keys, "also have")):
        if names:
            raise ValueError(
                f"the weights in {clipped(file)} {fault} {listed(names)}; they have {listed(found)}, and the model "
                f"{listed(here)}; give its state dict, or load weights of other forms in the function that makes it"
            )


def _function(text: str, option: str) -> Callable[..., Any]:
    found = named(text, option)
    if not callable(found):
        raise TypeError(f"{clipped(text)} came as {option} and is {_kind(found)}; wanted a function")
    function: Callable[..., Any] = found
    return function


def _is_function(data: Any) -> bool:
    """Whether data are made by a call; a Dataset may be one that can be called."""
    return isinstance(data, type) or (callable(data) and not isinstance(data, Dataset))


def _kind(given: Any) -> str:
    """What something is, with its article."""
    name = type(given).__name__
    return "None" if given is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name:.80}"
