"""Recording with several processes: the first process records, and processes with shards of the weights help."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch.distributed as dist

from fastscape.training.contents import is_sharded, tensors_in, whole
from fastscape.weights import Other

__all__ = ["help_the_first", "is_first", "tell", "together"]


def is_first() -> bool:
    """Whether this process writes: it is the first of a process group, or of the processes that torchrun started."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return os.environ.get("RANK", "0") == "0"


def together(model: Other) -> bool:
    """Whether the weights are sharded over several processes, which must copy them together."""
    several = dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
    return several and is_sharded(model)


def tell(names: Iterable[str] | None) -> None:
    """Tells the other processes what the first process is about to copy.

    Args:
        names: The names of the tensors, in the order in which they are copied; None for no record.
    """
    dist.broadcast_object_list([None if names is None else list(names)], src=0)


def help_the_first(model: Other) -> None:
    """Contributes the shards of another process to the copy of the first process.

    Args:
        model: The process's part of the model.
    """
    told: list[list[str] | None] = [None]
    dist.broadcast_object_list(told, src=0)
    if told[0] is not None:
        tensors = tensors_in(model, told[0])
        for name in told[0]:
            whole(tensors[name])
