"""Data that give the same samples at every reading, for several runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import Dataset, IterableDataset, TensorDataset

from fastscape.model.batch_structure import mapped
from fastscape.model.data import Data, as_batch
from fastscape.model.data_sets import DataSets, data_sets_in

__all__ = ["held"]


class _Batches:
    """The batches of a loader, kept as copies at the first reading: a loader may reuse its memory."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._given = batches
        self._kept: list[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._kept is not None:
            yield from self._kept
            return
        kept = []
        for batch in self._given:
            kept.append(_copied(batch))
            yield kept[-1]
        self._kept = kept  # kept only when complete


class _Stream(_Batches, IterableDataset[Any]):
    """The same for a dataset that can only be read in its own order."""


class _Dataset(Dataset[Any]):
    """A dataset whose samples are kept at the first reading."""

    def __init__(self, given: Any) -> None:
        self._given = given
        self._kept: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._given)

    def __getitem__(self, index: int) -> Any:
        if index not in self._kept:
            self._kept[index] = _copied(self._given[index])
        return self._kept[index]


def held(data: Data, *, pairs: bool) -> Any:
    """Data that give the same samples at every reading. They are read on first use.

    Args:
        data: The user's data, which may draw or shuffle, or be read once only.
        pairs: Whether batches are `(inputs, targets)`; else they may have any structure.

    Returns:
        The same data in memory, of the same kind: a Dataset stays a Dataset, and several sets stay several.
    """
    sets = data_sets_in(data, pairs=pairs)
    if isinstance(sets, DataSets):
        return DataSets(**{name: _held(one, pairs=pairs) for name, one in sets.items()})
    return _held(sets, pairs=pairs)


def _held(data: Any, *, pairs: bool) -> Any:
    if isinstance(data, TensorDataset | str | bytes):  # the first is in memory, and the others are refused
        return data
    if isinstance(data, IterableDataset):
        return _Stream(data)
    if isinstance(data, Dataset):
        return _Dataset(data)
    if as_batch(data, pairs=pairs) is not None or not isinstance(data, Iterable):
        return data
    return _Batches(data)


def _copied(content: Any) -> Any:
    return mapped(content, lambda tensor: tensor.detach().clone())
