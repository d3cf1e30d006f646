"""Facts about the user's model and data for the report, and hashes that identify them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.batch_structure import tensors
from fastscape.model.data import Samples
from fastscape.weights import class_name, whole

__all__ = ["DataHash", "Origin", "hash_of_weights", "origin_of"]


@dataclass(frozen=True)
class Origin:
    """The report's facts about the user's model.

    Args:
        name: Name of its class.
        parameters: Number of entries of all parameters, complex ones counted as two.
        untouched: Names of the parameters that do not move.
        hash: See `hash_of_weights`.
    """

    name: str
    parameters: int
    untouched: list[str]
    hash: str


def origin_of(model: nn.Module, moving: Set[str]) -> Origin:
    """The report's facts about a model.

    Args:
        model: The user's model. It is not changed.
        moving: Names of the tensors that move.

    Returns:
        The facts.
    """
    untouched = [name for name, _ in model.named_parameters() if name not in moving]
    parameters = sum(parameter.numel() * (1 + parameter.is_complex()) for parameter in model.parameters())
    return Origin(class_name(model), parameters, untouched, hash_of_weights(model))


def hash_of_weights(model: nn.Module) -> str:
    """A hash that tells sets of parameters and buffers apart, however they are shared out among processes.

    Args:
        model: The model. If processes hold parts of it, all of them must call this; each gets every tensor once.

    Returns:
        SHA-256 of names, dtypes, shapes and bytes, hexadecimal.
    """
    return _hash((*model.named_parameters(), *model.named_buffers()))


class DataHash:
    """A hash that tells sequences of samples apart, in any batches and parts.

    The k-th tensors of all batches of a data set are read as one: their dtype, the shape of a sample, and all bytes.
    For batches that cannot be cut into samples the whole shape counts.

    Args:
        names: Names of the data sets, if there are several. Default: there is one set.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = names
        self._samples: dict[int, int] = {}
        self._digests: dict[tuple[int, int], Any] = {}
        self._kinds: dict[tuple[int, int], str] = {}

    def update(self, samples: Samples) -> None:
        """Adds further samples.

        Args:
            samples: The samples.
        """
        for batch in samples:
            self._samples[batch.of] = self._samples.get(batch.of, 0) + batch.samples
            for k, tensor in enumerate(tensors(batch.content)):
                place = batch.of, k
                kind = f"{tensor.dtype} {tuple(tensor.shape[1:] if batch.divisible else tensor.shape)};"
                digest = self._digests.setdefault(place, hashlib.sha256())
                if self._kinds.get(place) != kind or not batch.divisible:
                    digest.update(kind.encode())
                self._kinds[place] = kind
                digest.update(_bytes(tensor))

    def hexdigest(self) -> str:
        """SHA-256 of all samples so far, hexadecimal; for several data sets it includes their names."""
        if len(self.names) < 2:
            return self._of(0)
        each = (f"{name} {self._of(number)};" for number, name in enumerate(self.names))
        return hashlib.sha256("".join(each).encode()).hexdigest()

    @property
    def sets(self) -> dict[str, dict[str, Any]] | None:
        """For every data set by name its number of samples, and its hash as a single set; None for one set."""
        if len(self.names) < 2:
            return None
        found = enumerate(self.names)
        return {name: {"samples": self._samples.get(k, 0), "data_hash": self._of(k)} for k, name in found}

    def _of(self, number: int) -> str:
        """The hash of one data set."""
        places = sorted(place for place in self._digests if place[0] == number)
        return hashlib.sha256(b"".join(self._digests[place].digest() for place in places)).hexdigest()


def _hash(named: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_bytes(whole(tensor)))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    if tensor.layout is not torch.strided:  # whatever its layout, its entries and their places
        tensor = tensor.detach().to_sparse().coalesce()
        return b"".join(bytes(_bytes(part)) for part in (tensor.indices(), tensor.values()))
    whole = tensor.detach().resolve_conj().cpu().contiguous().reshape(-1)
    return whole.view(torch.uint8).numpy().data if whole.numel() else b""
