"""Computes barriers between models, from the lines between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastscape.model import Data, held, statistics_of, whole_copy
from fastscape.results import BarriersValues, BarrierValues, Values, not_finite_said, options_of, warn, with_defaults
from fastscape.runs.checks import check_whole
from fastscape.runs.options import NOT_OF_BARRIER, BarrierOptions, LineOptions
from fastscape.runs.paired import with_paired_errors
from fastscape.runs.request import line_request
from fastscape.runs.run import computed
from fastscape.weights import Other, every_tensor, model_given, other_read

__all__ = ["ModelGiven", "barrier_of", "barriers_of"]

ModelGiven: TypeAlias = "Other | str | os.PathLike[str]"

_WANTED = "it must be a torch.nn.Module, a state dict, or the path of a file with one"


def barrier_of(a: nn.Module, b: ModelGiven, data: Data, given: BarrierOptions) -> BarrierValues:
    """The barrier between two models.

    Args:
        a: The first model. It is not changed.
        b: The second model: a module, a state dict, or a file with a state dict.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The barrier.

    Raises:
        TypeError: When an argument is not a model.
    """
    options = _checked(given, "barrier")
    if not isinstance(a, nn.Module):
        raise TypeError(f"a must be a torch.nn.Module of the same architecture as b, got {type(a).__name__}")
    said = _said_of_statistics(a, given)
    line = _line(a, _tensors(b, "b"), data, options)
    return BarrierValues(_with_warnings(line, said))


def barriers_of(
    models: Mapping[str, ModelGiven] | Sequence[ModelGiven], data: Data, given: BarrierOptions
) -> BarriersValues:
    """The barriers between all pairs of some models, on the same samples.

    Args:
        models: Modules, state dicts or files, by name or in a list, at least one of them a module.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The barriers.

    Raises:
        TypeError: When none of the models is a module.
    """
    options = _checked(given, "barriers")
    named = _named(models)
    first = next((model for model in named.values() if isinstance(model, nn.Module)), None)
    if first is None:
        raise TypeError(
            f"at least one model must be a torch.nn.Module, which says how the others are evaluated; got {len(named)} "
            "models without one"
        )
    said = _said_of_statistics(first, given)
    kept, store = _held(data, options), options["store"]
    pairs: dict[tuple[str, str], BarrierValues] = {}
    every = list(combinations(enumerate(named), 2))
    with tqdm(total=len(every), desc="barriers", unit="pair", disable=None if options["progress"] else True) as bar:
        for (i, a), (j, b) in every:
            bar.set_postfix_str(f"{a:.20} - {b:.20}")
            if j == i + 1:  # the pairs of one model follow each other
                start = _module(named[a], first, a)
            own = {} if store is None else {"store": Path(store) / f"{i + 1}-{j + 1}.zarr"}
            line = _line(start, _tensors(named[b], b), kept, {**options, **own, "progress": False})
            pairs[a, b] = BarrierValues(_with_warnings(line, said))
            bar.update()
    return BarriersValues(tuple(named), _on_same_samples(pairs))


def _checked(given: BarrierOptions, call: str) -> dict[str, Any]:
    """All options, after checking the options of the line itself."""
    options = cast(dict[str, Any], with_defaults(BarrierOptions, given, call, elsewhere=NOT_OF_BARRIER))
    check_whole("points", options["points"], 3)
    if not isinstance(options["progress"], bool):
        raise TypeError(f"progress must be True or False, got {options['progress']!r:.80}")
    return options


def _line(a: nn.Module, b: Other, data: Data, options: Mapping[str, Any]) -> Values:
    """The straight line from one model to the other, with the standard errors of its excess."""
    taken = options_of(LineOptions)
    given = {name: value for name, value in options.items() if name in taken}
    given |= {"to": b, "x": np.linspace(0.0, 1.0, options["points"])}
    line = computed(line_request(a, data, cast(LineOptions, given)), with_paired_errors)
    said = [sentence for name in line.measures for sentence in not_finite_said(line, name)]
    for sentence in said:
        warn(f"{sentence}, so the barrier is infinite or unknown")
    return _with_warnings(line, said)


def _with_warnings(line: Values, said: Sequence[str]) -> Values:
    return line.with_report({**line.report, "warnings": [*line.report["warnings"], *said]}) if said else line


def _said_of_statistics(model: nn.Module, given: BarrierOptions) -> list[str]:
    """The warning for running statistics that would be interpolated without an explicit `batchnorm`."""
    if "batchnorm" in given or not statistics_of(model):
        return []
    message = (
        "between models with batch normalisation the running statistics of both are mixed, which may fit no "
        "point of the line and make a barrier of their own; write batchnorm='recalibrate', or batchnorm='running' if "
        "they are meant"
    )
    warn(message)
    return [message]


def _tensors(given: object, name: str) -> Other:
    """A given model; if it is a file, its tensors are read."""
    if not isinstance(given, nn.Module | Mapping | str | os.PathLike):
        raise TypeError(f"{name:.80} cannot be read, got {type(given).__name__}; {_WANTED}")
    return other_read(given, name)


def _module(given: object, first: nn.Module, name: str) -> nn.Module:
    """A given model as a module: tensors are loaded into a copy of the first model."""
    other = _tensors(given, name)
    if isinstance(other, nn.Module):
        return other
    tensors = model_given(first, other)
    assert isinstance(tensors, Mapping)  # as the state dict of it came as one
    made = whole_copy(first)
    with torch.no_grad():
        for place, tensor in every_tensor(made).items():
            _put(tensor, tensors[place], f"{place} of {name:.80}")
        for place, tensor in every_tensor(made).items():  # two names of one tensor may have two values
            if not torch.equal(tensor, tensors[place].to(tensor)):
                raise ValueError(
                    f"{place} of {name:.80} has other values than the tensor that it is tied to in the first model; "
                    "give a model in which both are tied, or the module of this one"
                )
    return made


def _put(tensor: Tensor, value: Tensor, what: str) -> None:
    if tensor.shape != value.shape:
        raise ValueError(
            f"{what} must have shape {list(tensor.shape)}, as in a model of the same architecture, got "
            f"{list(value.shape)}"
        )
    tensor.copy_(value)


def _named(models: Any) -> dict[str, ModelGiven]:
    """The models by name."""
    if isinstance(models, nn.Module | str | bytes | os.PathLike) or not isinstance(models, Mapping | Sequence):
        raise TypeError(
            f"the models must be a list of models, or a dict of models by name, got {type(models).__name__}"
        )
    if isinstance(models, Mapping) and any(isinstance(value, Tensor) for value in models.values()):
        raise TypeError("the models must be a list of models, or a dict of models by name, got a single state dict")
    named = (
        {str(name): model for name, model in models.items()}
        if isinstance(models, Mapping)
        else dict(zip(_letters(len(models)), models, strict=True))
    )
    if len(named) < max(2, len(models)):
        came = f"{len(models)} of which some have one name" if len(named) < len(models) else f"{len(models)}"
        raise ValueError(f"models must be at least two with different names, got {came}")
    for name, model in named.items():
        if not isinstance(model, nn.Module | Mapping | str | os.PathLike):
            raise TypeError(f"{name:.80} cannot be read, got {type(model).__name__}; {_WANTED}")
    return named


def _letters(count: int) -> Iterator[str]:
    """Names for models without names: A, B, C, ..., or numbers if there are more models than letters."""
    return (chr(ord("A") + k) if count <= 26 else str(k + 1) for k in range(count))


def _held(data: Data, options: Mapping[str, Any]) -> Any:
    """The data that every pair reads: loaded into memory, unless they are read in parts."""
    if options["stream_samples"] is None and options["target_standard_error"] is None:
        return held(data, pairs=options["objective"] is None)
    if isinstance(data, Iterator):
        raise ValueError(
            "the data are an iterator, which can be read only once, but every pair of models reads them in parts; "
            "give a DataLoader or a list, or leave out stream_samples and target_standard_error"
        )
    return data


def _on_same_samples(pairs: dict[tuple[str, str], BarrierValues]) -> dict[tuple[str, str], BarrierValues]:
    """The barriers, with a warning if the samples differed from pair to pair."""
    hashes = {found.line.report["data_hash"] for found in pairs.values()}
    if len(hashes) == 1:
        return pairs
    message = (
        "the pairs of models were evaluated on different samples, or in another order, which alone makes values "
        "differ; seed what shuffles or draws"
    )
    warn(message)
    return {pair: BarrierValues(_with_warnings(found.line, [message])) for pair, found in pairs.items()}
