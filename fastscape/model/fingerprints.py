"""What is known of the user's model and data: facts for the report, and hashes by which they are known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.batch_structure import tensors
from fastscape.model.data import Samples

__all__ = ["DataHash", "Origin", "hash_of_weights", "origin_of"]


@dataclass(frozen=True)
class Origin:
    """What the report says of the user's model.

    Args:
        name: Of its class.
        parameters: Number of entries of all parameters, complex ones counted as two.
        untouched: Names of the parameters that do not move.
        hash: See `hash_of_weights`.
    """

    name: str
    parameters: int
    untouched: list[str]
    hash: str


def origin_of(model: nn.Module, moving: Set[str]) -> Origin:
    """What the report says of a model.

    Args:
        model: The user's model. It is not changed.
        moving: Names of the tensors that move.

    Returns:
        The facts.
    """
    untouched = [name for name, _ in model.named_parameters() if name not in moving]
    parameters = sum(parameter.numel() * (1 + parameter.is_complex()) for parameter in model.parameters())
    return Origin(type(model).__name__, parameters, untouched, hash_of_weights(model))


def hash_of_weights(model: nn.Module) -> str:
    """What tells one set of parameters and buffers from another.

    Args:
        model: The model.

    Returns:
        SHA-256 of names, dtypes, shapes and bytes, hexadecimal.
    """
    return _hash((*model.named_parameters(), *model.named_buffers()))


class DataHash:
    """What tells one sequence of samples from another, in whatever batches and parts it came.

    The k-th tensors of all batches are read as one: their dtype, the shape of a sample, and all bytes. Of batches
    that cannot be cut into samples the whole shape counts.
    """

    def __init__(self) -> None:
        self._digests: dict[int, Any] = {}
        self._kinds: dict[int, str] = {}

    def update(self, samples: Samples) -> None:
        """Goes on with further samples.

        Args:
            samples: The samples.
        """
        for batch in samples:
            for k, tensor in enumerate(tensors(batch.content)):
                kind = f"{tensor.dtype} {tuple(tensor.shape[1:] if batch.divisible else tensor.shape)};"
                digest = self._digests.setdefault(k, hashlib.sha256())
                if self._kinds.get(k) != kind or not batch.divisible:
                    digest.update(kind.encode())
                self._kinds[k] = kind
                digest.update(_bytes(tensor))

    def hexdigest(self) -> str:
        """SHA-256 of all samples so far, hexadecimal."""
        return hashlib.sha256(b"".join(self._digests[k].digest() for k in sorted(self._digests))).hexdigest()


def _hash(named: Iterable[tuple[str, Tensor]]) -> str:
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    if tensor.layout is not torch.strided:  # whatever its layout, its entries and their places
        tensor = tensor.detach().to_sparse().coalesce()
        return b"".join(bytes(_bytes(part)) for part in (tensor.indices(), tensor.values()))
    whole = tensor.detach().resolve_conj().cpu().contiguous().reshape(-1)
    return whole.view(torch.uint8).numpy().data if whole.numel() else b""
