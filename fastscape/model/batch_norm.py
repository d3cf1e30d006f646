"""The statistics that batch normalisation uses during an evaluation, and how they are estimated again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor, nn

__all__ = ["BATCHNORM", "BatchNorm", "calibrating", "layers", "statistics_of", "unset_statistics"]

BatchNorm: TypeAlias = Literal["running", "batch", "recalibrate"]

BATCHNORM = get_args(BatchNorm)
"""The policies: running statistics of training, statistics of each batch, or statistics estimated again per point."""

_UNSET = {"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0}
"""The buffers of a layer, and their values before the first batch."""

_Layer: TypeAlias = nn.modules.batchnorm._BatchNorm


@contextmanager
def calibrating(model: nn.Module) -> Iterator[None]:
    """Batch normalisation averages the statistics of all batches inside, each with the same weight.

    Args:
        model: A private copy.

    Yields:
        Nothing.
    """
    tracking = [layer for _, layer in _tracking(model)]
    kept = [(layer.training, layer.momentum) for layer in tracking]
    calls = dict.fromkeys(tracking, 0)

    def weigh(layer: Any, _: Any) -> None:
        # The same as momentum=None, without reading the layer's own count back from a GPU.
        calls[layer] += 1
        layer.momentum = 1.0 / calls[layer]

    hooks = [layer.register_forward_pre_hook(weigh, prepend=True) for layer in tracking]
    try:
        for layer in tracking:
            layer.training = True
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer, (training, momentum) in zip(tracking, kept, strict=True):
            layer.training, layer.momentum = training, momentum


def unset_statistics(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Running statistics that have seen no batch.

    Args:
        model: The model.
        tensors: Its parameters and buffers by name.

    Returns:
        Tensors by the name of the buffer, like the given tensors of these names.
    """
    places = ((name, leaf) for path, _ in _tracking(model) for name, leaf in _buffers_at(path))
    return {name: torch.full_like(tensors[name], _UNSET[leaf]) for name, leaf in places if name in tensors}


def statistics_of(model: nn.Module) -> set[str]:
    """The names of the running statistics, which only the policy "running" reads."""
    return {name for path, _ in _tracking(model) for name, _ in _buffers_at(path)}


def layers(model: nn.Module) -> list[tuple[str, _Layer]]:
    """The layers of batch normalisation, each with its path."""
    return [(path, module) for path, module in model.named_modules() if isinstance(module, _Layer)]


def _buffers_at(path: str) -> list[tuple[str, str]]:
    return [(f"{path}.{leaf}" if path else leaf, leaf) for leaf in _UNSET]


def _tracking(model: nn.Module) -> list[tuple[str, _Layer]]:
    return [(path, layer) for path, layer in layers(model) if layer.track_running_stats]
