"""Batches of any structure: a tensor, tuples, lists and dictionaries of tensors, or an object that holds some.

Tuples, lists and dictionaries are the results of a collate function: all their tensors have the samples along the
first dimension, so a batch can be cut and joined. An object of another class (a graph, for example) cannot be cut.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["counted", "cut", "joined", "kind", "length", "mapped", "tensors"]

_PLAIN = str | bytes | int | float | complex | bool | None


def tensors(content: Any) -> list[Tensor]:
    """The tensors of a batch, in the order in which they are found; a tensor found twice is listed twice.

    Args:
        content: A batch.

    Returns:
        The tensors.
    """
    return list(_tensors(content, set()))


def _tensors(content: Any, above: set[int]) -> Iterator[Tensor]:
    if isinstance(content, Tensor):
        yield content
    elif not isinstance(content, _PLAIN) and id(content) not in above:
        for part in _parts(content):
            yield from _tensors(part, above | {id(content)})


def _parts(content: Any) -> list[Any]:
    """The parts of a batch."""
    if isinstance(content, Mapping):
        return list(content.values())
    if isinstance(content, tuple | list):
        return list(content)
    if isinstance(content, torch.nn.Module | np.ndarray | type):  # tensors in their attributes are no samples
        return []
    slots = [name for base in type(content).__mro__ for name in getattr(base, "__slots__", ())]
    return (
        [*vars(content).values()] if hasattr(content, "__dict__") else [getattr(content, name, None) for name in slots]
    )


def mapped(content: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of a batch with changed tensors; it shares with the batch only what cannot change.

    Args:
        content: A batch.
        change: Returns the new tensor for a tensor.

    Returns:
        A batch of the same structure. An object is copied deeply, with the changed tensors in place of its own.
    """
    if isinstance(content, Tensor):
        return change(content)
    if isinstance(content, _PLAIN):
        return content
    if type(content) is dict:
        return {key: mapped(value, change) for key, value in content.items()}
    if type(content) in (tuple, list):
        return type(content)(mapped(part, change) for part in content)
    if isinstance(content, tuple) and hasattr(content, "_fields"):
        return type(content)(*(mapped(part, change) for part in content))
    if isinstance(content, MutableMapping):
        made = copy.copy(content)
        for key, value in content.items():
            made[key] = mapped(value, change)
        return made
    return copy.deepcopy(content, {id(tensor): change(tensor) for tensor in tensors(content)})


def kind(content: Any) -> Any:
    """The properties that two batches must have in common to be joined.

    Args:
        content: A batch.

    Returns:
        A nested tuple of containers, names, dtypes and shapes without the samples. None if a batch cannot be cut: it
        has parts other than dense tensors and None, or tensors of different lengths.
    """
    found = _kind(content)
    lengths = {len(tensor) if tensor.dim() else -1 for tensor in tensors(content)}
    return found if found and len(lengths) == 1 and -1 not in lengths else None


def _kind(content: Any) -> Any:
    if isinstance(content, Tensor):
        return (content.dtype, content.shape[1:]) if content.layout is torch.strided else None
    if content is None:
        return "nothing"
    if isinstance(content, Mapping):
        parts = [(key, _kind(value)) for key, value in content.items()]
        return (type(content), *parts) if all(part for _, part in parts) else None
    if isinstance(content, tuple | list):
        kinds = [_kind(part) for part in content]
        return (type(content), *kinds) if all(kinds) else None
    return None


def length(content: Any) -> int | None:
    """Number of samples in a batch.

    Args:
        content: A batch.

    Returns:
        Its `num_graphs`, which batches of graphs have, or the common length of all its tensors; else None.
    """
    graphs = getattr(content, "num_graphs", None)
    if isinstance(graphs, int):
        return graphs
    lengths = {len(tensor) if tensor.dim() else -1 for tensor in tensors(content)}
    (only, *more) = lengths or {-1}
    return None if more or only < 0 else only


def counted(part: Any) -> int:
    """The number of samples that a batch counts as.

    Args:
        part: Its targets, or the whole batch.

    Returns:
        The number; 1 if it cannot be read from them.
    """
    found = length(part)
    return 1 if found is None else found


def cut(content: Any, start: int, stop: int) -> Any:
    """The samples of a batch from `start` to `stop`, without a copy.

    Args:
        content: A batch that has a `kind`.
        start: The first sample.
        stop: The position after the last sample.

    Returns:
        A batch of the same structure.
    """
    return mapped(content, lambda tensor: tensor[start:stop])


def joined(contents: list[Any]) -> Any:
    """The samples of all batches, one batch after another.

    Args:
        contents: Batches of one `kind`; at least one.

    Returns:
        A batch of the same structure; the batch itself if it is the only one.
    """
    if len(contents) == 1:
        return contents[0]
    parts = zip(*map(tensors, contents), strict=True)
    return mapped(contents[0], lambda _: torch.cat(next(parts)))
