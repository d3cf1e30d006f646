"""Parameters that share memory without being one parameter: they move separately, unlike tied parameters."""

from __future__ import annotations

from collections.abc import Set

import torch
from torch import nn

from fastscape.weights.sharded import local

__all__ = ["sharing_memory"]


def sharing_memory(model: nn.Module, moving: Set[str]) -> list[list[str]]:
    """The parameters that hold the same entries of the same memory.

    Args:
        model: The model.
        moving: Names of the tensors that move.

    Returns:
        Names of the parameters of each such group in which one moves.
    """
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, shared in model.named_parameters():
        parameter = local(shared)
        dense = parameter.layout is torch.strided and not parameter.is_meta  # other tensors have no place in memory
        if dense and parameter.numel() and parameter.data_ptr():
            where = parameter.device, parameter.data_ptr(), parameter.dtype, parameter.shape, parameter.stride()
            groups.setdefault(where, []).append(name)
    return [names for names in groups.values() if len(names) > 1 and moving & set(names)]
