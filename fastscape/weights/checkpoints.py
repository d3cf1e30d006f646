"""The checkpoints of trainings as users give them: recordings, modules, state dicts, files.

A training is the folder of a recording, a `Recording`, or a list of checkpoints. Several trainings are a mapping from
names to trainings. Of a file only the description of its tensors is read here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from torch import Tensor, nn

from fastscape.results import check_file
from fastscape.weights.complex_pairs import pairs_of
from fastscape.weights.other_model import Other, check_present, every_tensor
from fastscape.weights.recording import Recording
from fastscape.weights.tensor_files import Kept, TensorFile, mapped, weights_in

__all__ = [
    "InMemory",
    "OtherGiven",
    "Readable",
    "Training",
    "TrainingGiven",
    "TrainingsGiven",
    "other_read",
    "readable",
    "trainings_of",
]

OtherGiven: TypeAlias = "Other | str | os.PathLike[str]"
TrainingGiven: TypeAlias = "str | os.PathLike[str] | Recording | Sequence[OtherGiven]"
TrainingsGiven: TypeAlias = "TrainingGiven | Mapping[str, TrainingGiven]"


class Readable(Protocol):
    """A checkpoint from which slices can be read."""

    @property
    def kept(self) -> Mapping[str, Kept]:
        """The tensors that it holds, by their names in the checkpoint."""

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        """Real numbers [stop - start] of a tensor, in the order of the model; pairs for a complex tensor."""

    def tensors(self) -> dict[str, Tensor]:
        """All tensors."""


class InMemory:
    """A checkpoint whose tensors are in memory, or in a memory-mapped file.

    Args:
        tensors: The tensors by name.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    @cached_property
    def kept(self) -> dict[str, Kept]:
        """The tensors that it holds."""
        return {
            name: Kept(
                tuple(tensor.shape),
                tensor.real.dtype if tensor.is_complex() else tensor.dtype if tensor.is_floating_point() else None,
                tensor.is_complex(),
            )
            for name, tensor in self._tensors.items()
        }

    def numbers(self, name: str, start: int, stop: int) -> Tensor:
        """Real numbers [stop - start] of a tensor on the CPU; see `Readable.numbers`."""
        tensor = self._tensors[name].detach()
        if tensor.is_complex():
            tensor = pairs_of(tensor)
        if not tensor.is_contiguous():  # copies only the requested part
            row = tensor[0].numel()
            first = start // row
            tensor, start, stop = tensor[first : -(-stop // row)], start - first * row, stop - first * row
        return tensor.reshape(-1)[start:stop].cpu()

    def tensors(self) -> dict[str, Tensor]:
        """All tensors."""
        return dict(self._tensors)


@dataclass(frozen=True, eq=False)
class Training:
    """A training with its checkpoints, from the first to the last.

    Args:
        name: Its name in pictures.
        checkpoints: The readers of its checkpoints.
        steps: Training step of each checkpoint [n]. Default: unknown.
        measures: Values recorded besides the weights, n values by name. Default: none.
        recording: The recording. Default: none.
    """

    name: str
    checkpoints: Sequence[Readable]
    steps: np.ndarray | None = None
    measures: Mapping[str, np.ndarray] = field(default_factory=dict)
    recording: Recording | None = None

    def __len__(self) -> int:
        return len(self.checkpoints)

    def said(self, k: int) -> str:
        """Checkpoint k as a message calls it."""
        if self.steps is not None:
            return f"step {self.steps[k]} of {self.name!r:.80}"
        return f"{self.name:.80}" if len(self) == 1 else f"checkpoint {k} of {self.name!r:.80}"


def trainings_of(given: TrainingsGiven) -> tuple[Training, ...]:
    """The trainings that a user gives.

    Args:
        given: The folder of a recording, a `Recording`, a sequence of modules, state dicts and files; or a mapping
            from names to such trainings.

    Returns:
        The trainings; a single one is called "training".

    Raises:
        TypeError: When it is something else.
        ValueError: When there is no checkpoint, or several are the same tensors in memory, or a file cannot be read.
    """
    if not isinstance(given, Mapping):
        return (_training("training", given),)
    if any(isinstance(value, Tensor) for value in given.values()):
        raise TypeError(
            "checkpoints must be a list of checkpoints, the folder of a recording, or a dict from names to such "
            "trainings, got a single state dict"
        )
    if not given:
        raise ValueError("checkpoints must have a training for each name, got an empty dict")
    return tuple(_training(str(name), one) for name, one in given.items())


def _training(name: str, given: object) -> Training:
    if isinstance(given, str | os.PathLike):
        given = Recording(given)
    if isinstance(given, Recording):
        files = [given.file(k) for k in range(len(given))]
        return Training(name, files, given.steps, given.measures, given)
    if not isinstance(given, Sequence):
        raise TypeError(
            "checkpoints must be the folder of a recording, a list of modules, state dicts or files, or a dict from "
            f"names to such trainings, got {type(given).__name__}"
        )
    if not given:
        raise ValueError(f"{name!r:.80} must have at least one checkpoint, got none")
    found = Training(name, [readable(one, f"checkpoint {k} of {name!r:.80}") for k, one in enumerate(given)])
    _check_apart(found)
    return found


def readable(given: object, whose: str) -> Readable:
    """A checkpoint that a user gives.

    Args:
        given: A module, a state dict, or the path of a file.
        whose: Its name in an error.

    Returns:
        The reader of the checkpoint.

    Raises:
        TypeError: When it is something else.
        ValueError: When a file cannot be read, or tensors have no values.
    """
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        check_file(path, f"{whose} must be a module, a state dict, or a file with one by torch.save or safetensors")
        return TensorFile(path) if path.suffix == ".safetensors" else InMemory(mapped(path))
    if isinstance(given, nn.Module):
        tensors: Mapping[str, Tensor] | None = every_tensor(given)
    else:
        tensors = weights_in(given)
    if tensors is None:
        raise TypeError(
            f"{whose} must be a module, a state dict, or the path of a file with one, got {type(given).__name__}"
        )
    check_present(tensors, whose)
    return InMemory(tensors)


def other_read(given: OtherGiven, whose: str) -> Other:
    """Another model as a user gives it, in memory.

    Args:
        given: A module, a state dict, or the path of a file with one.
        whose: Its name in an error.

    Returns:
        The tensors of the file; anything else as it came, unchecked.

    Raises:
        ValueError: When a file cannot be read.
    """
    return readable(given, whose).tensors() if isinstance(given, str | os.PathLike) else given


def _check_apart(training: Training) -> None:
    """Refuses checkpoints that share memory: the tensors that `state_dict` returns follow the model."""
    seen: dict[tuple[int, ...], int] = {}
    for k, one in enumerate(training.checkpoints):
        if not isinstance(one, InMemory):
            continue
        tensors = one.tensors()
        places = tuple(tensor.data_ptr() for tensor in tensors.values() if tensor.is_floating_point())
        if any(places) and seen.setdefault(places, k) != k:
            raise ValueError(
                f"checkpoints {seen[places]} and {k} of {training.name!r:.80} are the same tensors in memory, as "
                "model.state_dict() follows the model; keep copies: {name: t.clone() for name, t in "
                "model.state_dict().items()}, or copy.deepcopy(model)"
            )
