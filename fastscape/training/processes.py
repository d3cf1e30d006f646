"""Several processes that train one model: the first one records, and those that hold a piece of the weights help."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch.distributed as dist

from fastscape.training.contents import is_sharded, tensors_in, whole
from fastscape.weights import Other

__all__ = ["help_the_first", "is_first", "tell", "together"]


def is_first() -> bool:
    """Whether this process is the one that writes: of a process group, or of those that torchrun has started."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"


def together(model: Other) -> bool:
    """Whether the weights lie in pieces on several processes, which then have to copy them together."""
    several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return several and is_sharded(model)


def tell(names: Iterable[str] | None) -> None:
    """The first process tells the others what it is about to copy.

    Args:
        names: Of the tensors, in the order in which they are copied; None for no record.
    """
    dist.broadcast_object_list([None if names is None else list(names)], src=0)


def help_the_first(model: Other) -> None:
    """Another process gives its pieces of what the first one copies.

    Args:
        model: Its part of the model.
    """
    told: list[list[str] | None] = [None]
    dist.broadcast_object_list(told, src=0)
    if told[0] is not None:
        tensors = tensors_in(model, told[0])
        for name in told[0]:
            whole(tensors[name])
