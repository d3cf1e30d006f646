"""Several data sets by name: each is read separately, and a batch knows its data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastscape.model.data import Samples, fixed_samples, parts_of

__all__ = ["DataSets", "data_sets_in", "holds_dataset", "parts_of_sets", "samples_of_sets"]

_SPELT = "fastscape.DataSets(train=..., test=...)"


class DataSets(Mapping[str, Any]):
    """Data sets by name. For each, the loss and the metrics have a grid of their own.

    The first set gives "loss" and the metrics under their names; a set "test" after it gives "loss of test". Every
    value is a mean over the samples of its set. The weights of a grid point are made once for all sets. `surface` also
    accepts a dictionary in which no value is a tensor or a dictionary. This class allows any sets.

    Args:
        **sets: Data as `surface` takes them, by name, the first set first.

    Raises:
        TypeError: When a set itself consists of sets.
        ValueError: When there is no set, or a name is empty or has a slash.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(4, 3)
        >>> train, test = ((torch.rand(n, 4), torch.randint(3, (n,))) for n in (90, 10))
        >>> data = fastscape.DataSets(train=train, test=test)
        >>> list(fastscape.surface(model, data, x=(-1, 1, 5), y=(-1, 1, 5)).values)
        ['loss', 'loss of test']
    """

    def __init__(self, **sets: Any) -> None:
        if not sets:
            raise ValueError(f"fastscape.DataSets needs at least one data set; write for example {_SPELT}")
        for name, data in sets.items():
            if not name.strip() or "/" in name:
                raise ValueError(f"the name of a data set must have no slash, got {name[:80]!r}; for example 'test'")
            if isinstance(data, DataSets):
                raise TypeError(f"the data set {name!r} holds data sets itself; give all of them in one {_SPELT}")
        self._sets = sets

    def __getitem__(self, name: str) -> Any:
        return self._sets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._sets)

    def __len__(self) -> int:
        return len(self._sets)

    def __repr__(self) -> str:
        return f"DataSets({', '.join(f'{name}={type(data).__name__}' for name, data in self.items())})"


def data_sets_in(data: Any, *, pairs: bool) -> Any:
    """The data, as `DataSets` if they are several sets.

    A dictionary is several sets if every value is a Dataset or a DataLoader. Batches that are `(inputs, targets)` are
    no dictionaries, so for them every value may also be a tuple, a list or another iterable. A dictionary of tensors
    or dictionaries is one batch for an objective, as it would be in a list.

    Args:
        data: The user's data.
        pairs: Whether batches are `(inputs, targets)`; else they may have any structure.

    Returns:
        `DataSets`, or the data.

    Raises:
        TypeError: When only some values of a dictionary can be sets.

    Example:
        >>> import torch
        >>> from fastscape.model import data_sets_in
        >>> numbers = torch.arange(3)
        >>> data_sets_in({"train": (numbers, numbers), "test": [(numbers, numbers)]}, pairs=True)
        DataSets(train=tuple, test=list)
        >>> type(data_sets_in({"input_ids": numbers, "labels": numbers}, pairs=False))
        <class 'dict'>
    """
    if isinstance(data, DataSets) or not isinstance(data, Mapping) or not data:
        return data
    sets = {name: _is_set(value, pairs=pairs) for name, value in data.items()}
    if all(sets.values()) and all(isinstance(name, str) for name in data):
        return DataSets(**data)
    loaders = [name for name, value in data.items() if isinstance(value, Dataset | DataLoader)]
    if loaders or (pairs and any(sets.values())):
        others = [name for name in data if not (sets[name] and isinstance(name, str))] or list(data)
        raise TypeError(
            f"the data are a dictionary in which {str(others[0])[:80]!r} may be a data set or a part of a batch; for "
            f"several data sets write {_SPELT}"
        )
    return data


def _is_set(value: Any, *, pairs: bool) -> bool:
    if isinstance(value, Dataset | DataLoader):
        return True
    return pairs and isinstance(value, Iterable) and not isinstance(value, Tensor | np.ndarray | Mapping | str | bytes)


def holds_dataset(data: Any) -> bool:
    """Whether the data, or one of their sets, are a Dataset, which has no batches of its own."""
    return any(isinstance(one, Dataset) for one in (data.values() if isinstance(data, DataSets) else [data]))


def samples_of_sets(data: DataSets, where: Mapping[str, Any]) -> Samples:
    """All samples of all sets, one set after another.

    Args:
        data: The sets.
        where: The options of `fixed_samples`.

    Returns:
        Groups of samples of one kind, each from one set.
    """
    found: Samples = []
    for number, (name, one) in enumerate(data.items()):
        with _named(name):
            found += _of(fixed_samples(one, **where), number)
    return found


def parts_of_sets(data: DataSets, size: int, where: Mapping[str, Any]) -> Iterator[Samples]:
    """All samples of all sets in parts, each from one set.

    Args:
        data: The sets.
        size: Samples of a part.
        where: The options of `parts_of`.

    Yields:
        The parts, those of the first set first.
    """
    for number, (name, one) in enumerate(data.items()):
        parts = parts_of(one, size, **where)
        while True:
            with _named(name):
                samples = next(parts, None)
            if samples is None:
                break
            yield _of(samples, number)


def _of(samples: Samples, number: int) -> Samples:
    return [replace(batch, of=number) for batch in samples]


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors about a set name the set."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if type(error) not in (TypeError, ValueError):  # other errors are not made from a text alone
            raise
        raise type(error)(f"the data set {name[:80]!r}: {error}") from error
