"""The user's data as fixed microbatches: read once, the same samples for every grid point."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastscape.model.batch import Batch
from fastscape.model.batch_structure import counted, cut, joined, kind, mapped, tensors
from fastscape.model.pauses import at_rest
from fastscape.weights import dtype_of

__all__ = ["READ", "Batch", "Data", "Samples", "as_batch", "batches_of", "fixed_samples", "parts_of"]

Data: TypeAlias = "tuple[Any, Any] | Tensor | Mapping[str, Any] | Dataset[Any] | DataLoader[Any] | Iterable[Any]"

Samples: TypeAlias = "list[Batch]"

READ = 64  # samples of a Dataset that are read at a time

_WANTED = (
    "give (inputs, targets) tensors, a Dataset, a DataLoader, or an iterable of (inputs, targets) batches; for other "
    "batches write objective=lambda call, batch: ..., for texts objective=fastscape.objectives.causal_lm(), for "
    "several data sets fastscape.DataSets(train=..., test=...)"
)


def fixed_samples(
    data: Data, *, device: torch.device, dtype: torch.dtype | None, pairs: bool = True, join: bool = True
) -> Samples:
    """All samples, on the device.

    The data are read once and copied, so a loader that shuffles or augments gives every grid point the same samples.
    Neighbouring batches of one structure are joined, so the user's batch size does not matter for them. Batches that
    cannot be cut into samples, such as graphs, are kept unchanged. Floating-point tensors get `dtype`, complex tensors
    the complex dtype of that precision (`fastscape.weights.dtype_of`); other tensors keep their dtype.

    Args:
        data: `(inputs, targets)`, a Dataset, a DataLoader, or any iterable of batches; or, as a single batch, a tensor
            or a dictionary.
        device: The device of the samples.
        dtype: Dtype of floating-point inputs and targets, and the precision of complex ones; None keeps theirs.
        pairs: Whether batches are `(inputs, targets)`, or inputs alone, which are then their own targets; else they
            may have any structure. Default True.
        join: Whether neighbouring batches are joined. Default True.

    Returns:
        Groups of samples of one kind, in the order of the data.

    Raises:
        TypeError: When the data, or a batch, is something else, or holds no tensor.
        ValueError: When there are no samples, or a batch has more inputs than targets or the reverse.

    Example:
        >>> import torch
        >>> from fastscape.model import batches_of, fixed_samples
        >>> pair = (torch.rand(100, 3), torch.zeros(100))
        >>> samples = fixed_samples(pair, device=torch.device("cpu"), dtype=torch.float32)
        >>> [batch.samples for batch in batches_of(samples, 64)]
        [64, 36]
    """
    fixed = partial(_fixed, pairs=pairs, device=device, dtype=dtype)
    found = _grouped(map(fixed, _batches(data, pairs=pairs)), pairs=pairs, join=join, device=device)
    if not found:
        raise ValueError(_empty(data))
    return found


def _empty(data: Data) -> str:
    """What is said of data without samples."""
    said = f"the data have no samples ({type(data).__name__}); give at least one"
    return f"{said}. An iterator is read once: make a new one for every call" if isinstance(data, Iterator) else said


def parts_of(
    data: Data, size: int, *, device: torch.device, dtype: torch.dtype | None, pairs: bool = True, join: bool = True
) -> Iterator[Samples]:
    """All samples in parts, with one part at a time on the device.

    The data are read once, and no further than a part needs, so a loader can fetch the next batches meanwhile.

    Args:
        data: As for `fixed_samples`.
        size: Samples per part. Batches are cut if they can be and `join` allows it; else a part may be larger by a
            batch.
        device: The device of the samples.
        dtype: Dtype of floating-point inputs and targets; None keeps theirs.
        pairs: As for `fixed_samples`.
        join: As for `fixed_samples`; else batches stay as the data give them.

    Yields:
        The parts, none of them empty, in the form that `fixed_samples` returns.

    Raises:
        ValueError: When there are no samples.
    """
    waiting: list[Any] = []
    count, found = 0, False
    for batch in _batches(data, pairs=pairs):
        held = _pair(batch) if pairs else _held(batch)
        samples = counted(held[1] if pairs else held)
        cuts = join and kind(held) is not None
        start = 0
        while start < samples:
            stop = min(start + size - count, samples) if cuts else samples
            piece = cut(held, start, stop) if cuts else held
            waiting.append(_fixed(piece, pairs=pairs, device=device, dtype=dtype))
            count, start = count + stop - start, stop
            if count >= size:
                found = True
                yield _grouped(waiting, pairs=pairs, join=join, device=device)
                waiting, count = [], 0
    if waiting:
        yield _grouped(waiting, pairs=pairs, join=join, device=device)
    elif not found:
        raise ValueError(_empty(data))


def as_batch(data: Data, *, pairs: bool = True) -> Any:
    """Data that are a single batch.

    Args:
        data: As for `fixed_samples`.
        pairs: As for `fixed_samples`.

    Returns:
        The batch, with tensors in place of arrays; None if the data are of another kind.
    """
    if not _is_batch(data, pairs=pairs):
        return None
    return _pair(data) if pairs else _held(data)


def _fixed(batch: Any, *, pairs: bool, device: torch.device, dtype: torch.dtype | None) -> Any:
    """A separate copy of a batch: a loader may reuse its buffers, and a model may write to its inputs."""

    def fixed(tensor: Tensor) -> Tensor:
        # Batches are joined before they go to a GPU, whose memory may be too small to hold them twice.
        there = device if device.type == "cpu" else tensor.device
        return tensor.detach().to(device=there, dtype=dtype_of(tensor, dtype), copy=True)

    return mapped(_pair(batch) if pairs else _held(batch), fixed)


def _grouped(contents: Iterable[Any], *, pairs: bool, join: bool, device: torch.device | None = None) -> Samples:
    """The batches that have samples, neighbours of one structure joined if asked for; on a device if one is given."""
    groups: list[list[Any]] = []
    before = None
    for content in contents:
        this = kind(content)
        if not join or this is None or this != before:
            groups.append([])
        before = this
        groups[-1].append(content)
    found = []
    while groups:  # releases groups that are on the device
        content = joined(groups.pop(0))
        samples = counted(content[1] if pairs else content)
        if samples:
            elsewhere = device is not None and device.type != "cpu"
            found.append(Batch(mapped(content, lambda t: t.to(device)) if elsewhere else content, samples))
    return found


def joined_where_alike(samples: Samples, *, pairs: bool) -> Samples:
    """Neighbouring batches of one structure and one data set, joined.

    Args:
        samples: Batches as the data gave them.
        pairs: As for `fixed_samples`.

    Returns:
        Groups of samples of one kind, in the order of the data.
    """
    found: Samples = []
    for number, those in groupby(samples, key=lambda batch: batch.of):
        grouped = _grouped((batch.content for batch in those), pairs=pairs, join=True)
        found += [replace(batch, of=number) for batch in grouped]
    return found


def batches_of(samples: Samples, microbatch: int) -> list[Batch]:
    """The samples cut into microbatches, without a copy.

    Args:
        samples: The result of `fixed_samples`.
        microbatch: Most samples per microbatch, if they can be cut.

    Returns:
        The microbatches, in the order of the data.
    """
    return [
        part
        for batch in samples
        for part in (
            [batch.part(start, start + microbatch) for start in range(0, batch.samples, microbatch)]
            if batch.divisible
            else [batch]
        )
    ]


def _batches(data: Any, *, pairs: bool) -> Iterator[Any]:
    """The batches as the data give them."""
    if _is_batch(data, pairs=pairs):
        yield data
        return
    if isinstance(data, Dataset):
        data = DataLoader(data, batch_size=READ)
    elif isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise TypeError(f"the data cannot be read, got {type(data).__name__}; {_WANTED}")
    # `yield from` would close a user's generator that is not read to its end.
    for batch in data:
        at_rest()
        yield batch


def _is_batch(data: Any, *, pairs: bool) -> bool:
    """Whether the data are one batch, not a list of batches. Refuses a tuple that could be either."""
    if isinstance(data, Tensor | np.ndarray | Mapping):
        return True
    if not isinstance(data, tuple | list):
        return False
    arrays = [isinstance(part, Tensor | np.ndarray) for part in data]
    if len(data) == 2 and any(arrays):
        return True
    if isinstance(data, list) or len(data) < 3 or not all(arrays):
        return False
    if pairs:
        raise TypeError(
            f"the data must be (inputs, targets), got a tuple of {len(data)} tensors; write a list for several "
            "batches, or objective=lambda call, batch: ... for one batch of several tensors"
        )
    return True


def _pair(batch: Any) -> tuple[Any, Any]:
    """The inputs and targets of a batch, checked."""
    if isinstance(batch, Tensor | np.ndarray):
        batch = batch, batch
    elif isinstance(batch, tuple | list) and len(batch) == 1:
        batch = batch[0], batch[0]
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
        raise TypeError(f"a batch cannot be read, got {type(batch).__name__}{size}; {_WANTED}")
    inputs, targets = (_held(part) for part in batch)
    for part in (*tensors(inputs), *tensors(targets)):
        if part.dim() == 0:
            raise TypeError(f"a batch holds a tensor without a sample dimension; {_WANTED}")
    if isinstance(inputs, Tensor) and isinstance(targets, Tensor) and len(inputs) != len(targets):
        raise ValueError(
            f"a batch has {len(inputs)} inputs but {len(targets)} targets; give one target for each input"
        )
    return inputs, targets


def _held(part: Any) -> Any:
    """A part of a batch with tensors in place of arrays; it must hold some."""
    part = _from_arrays(part)
    if not tensors(part):
        raise TypeError(_without_tensors(part))
    return part


def _without_tensors(part: Any) -> str:
    if isinstance(part, Mapping):
        kinds = ", ".join(f"{name!s:.40} a {type(value).__name__}" for name, value in part.items())
        return (
            f"a batch holds a dictionary without tensors, {kinds:.200}; write torch.tensor(...) of each, or have the "
            "tokenizer make them: return_tensors='pt', padding=True"
        )
    if isinstance(part, str):
        return (
            f"a batch holds a str where a tensor belongs, {part!r:.80}; give numbers: of a text its tokens, "
            "tokenizer(text, return_tensors='pt'), of a class its index"
        )
    return f"a batch holds a {type(part).__name__} where a tensor belongs; {_WANTED}"


def _from_arrays(part: Any) -> Any:
    if isinstance(part, np.ndarray):
        try:
            return torch.from_numpy(part)
        except (TypeError, ValueError) as error:
            raise TypeError(f"a batch holds an array that torch cannot take ({error}); give numbers") from error
    if type(part) is dict:
        return {key: _from_arrays(value) for key, value in part.items()}
    return type(part)(map(_from_arrays, part)) if type(part) in (tuple, list) else part
