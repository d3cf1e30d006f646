"""The order of reading if perhaps not all samples are read: the first ones must be a draw from all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset

from fastscape.model.batch_structure import kind, length, mapped
from fastscape.model.data import READ, Data, as_batch

__all__ = ["in_batches", "shuffled", "size_of"]

SEED = 0


def shuffled(data: Data, size: int, *, pairs: bool = True, join: bool = True) -> Data:
    """Data that can be indexed, in a random order; other data unchanged.

    Tensors and Datasets are often sorted, for example by class, so their first samples are no draw from all. The order
    depends only on the number of samples. Global random number generators are not changed.

    Args:
        data: As for `fixed_samples`.
        size: Samples that are copied at once.
        pairs: As for `fixed_samples`.
        join: As for `fixed_samples`; else a single batch cannot be cut.

    Returns:
        Batches in that order; the data themselves if they have an order of their own: a DataLoader, an iterable, or an
        object that cannot be cut into samples.

    Raises:
        ValueError: When the data are a single batch that must stay whole.

    Example:
        >>> import torch
        >>> from fastscape.model.shuffling import shuffled
        >>> numbers = torch.arange(6)
        >>> batches = [targets.tolist() for _, targets in shuffled((numbers, numbers), 4)]
        >>> [len(batch) for batch in batches], sorted(sum(batches, []))
        ([4, 2], [0, 1, 2, 3, 4, 5])
    """
    samples = None if isinstance(data, DataLoader | IterableDataset) else size_of(data, pairs=pairs)
    if not samples:
        return data
    order = torch.randperm(samples, generator=torch.Generator("cpu").manual_seed(SEED), device="cpu")
    if isinstance(data, Dataset):
        return DataLoader(data, batch_size=READ, sampler=order.tolist())
    whole = as_batch(data, pairs=pairs)
    if whole is not None and not join:
        raise ValueError(
            "batchnorm='batch' takes these data as one batch, of which target_standard_error cannot leave out a part; "
            "give a Dataset, a DataLoader or a list of batches"
        )
    return _picked(whole, order.split(size)) if kind(whole) is not None else data


def in_batches(data: Data, size: int, *, pairs: bool = True) -> Data | None:
    """Data that can be indexed, in batches of their own order; the sizes differ by at most one.

    Args:
        data: As for `fixed_samples`.
        size: Most samples per batch.
        pairs: As for `fixed_samples`.

    Returns:
        The batches; None if the data have batches of their own, or cannot be cut into samples.

    Example:
        >>> import torch
        >>> from fastscape.model import in_batches
        >>> numbers = torch.arange(7)
        >>> [len(targets) for _, targets in in_batches((numbers, numbers), 3)]
        [3, 2, 2]
    """
    samples = None if isinstance(data, DataLoader | IterableDataset) else size_of(data, pairs=pairs)
    if not samples:
        return None
    numbers = torch.arange(samples, device="cpu").tensor_split(-(-samples // size))
    if isinstance(data, Dataset):
        return DataLoader(data, batch_sampler=[part.tolist() for part in numbers])
    whole = as_batch(data, pairs=pairs)
    return list(_picked(whole, numbers)) if kind(whole) is not None else None


def _picked(content: Any, numbers: Iterable[Tensor]) -> Iterator[Any]:
    """Batches of the samples with these numbers."""
    for those in numbers:
        yield mapped(content, partial(_rows, those))


def _rows(numbers: Tensor, tensor: Tensor) -> Tensor:
    return tensor[numbers.to(tensor.device)]


def size_of(data: Data, *, pairs: bool = True) -> int | None:
    """Number of samples, if the data give it before they are read.

    Args:
        data: As for `fixed_samples`.
        pairs: As for `fixed_samples`.

    Returns:
        The number; None for an iterable, or for a DataLoader whose batches are chosen by the user's own code.

    Example:
        >>> import torch
        >>> from fastscape.model.shuffling import size_of
        >>> size_of((torch.rand(5, 2), torch.zeros(5)))
        5
    """
    whole = as_batch(data, pairs=pairs)
    if whole is not None:
        return length(whole[1] if pairs else whole)
    try:
        if not isinstance(data, DataLoader):
            return len(data) if isinstance(data, Dataset) else None  # type: ignore[arg-type]
        if type(data.batch_sampler) is not BatchSampler:
            return None
        samples = len(data.sampler)  # type: ignore[arg-type]
        return samples - samples % data.batch_sampler.batch_size if data.drop_last else samples
    except TypeError:  # a sampler without a length
        return None
