"""What batch normalisation uses while a model is evaluated, and the mode of everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["BATCHNORM", "BatchNorm", "Mode", "calibrating", "set_mode", "unset_statistics"]

BatchNorm: TypeAlias = Literal["running", "batch", "recalibrate"]

BATCHNORM = {
    "running": "the running statistics of training",
    "batch": "the statistics of each batch",
    "recalibrate": "statistics that are estimated anew at every point",
}
"""Policies by name, with what batch normalisation uses."""

_Layer: TypeAlias = nn.modules.batchnorm._BatchNorm


class Mode(NamedTuple):
    """In which mode a model is evaluated.

    Args:
        batchnorm: What batch normalisation uses. Default "running".
        train: Whether everything else is in training mode: dropout, for example. Default False.
    """

    batchnorm: BatchNorm = "running"
    train: bool = False


def set_mode(model: nn.Module, mode: Mode) -> None:
    """Puts a private copy of a model into the mode of a run.

    Args:
        model: The private copy.
        mode: The mode.
    """
    model.train(mode.train)
    for _, layer in _layers(model):
        layer.train(mode.batchnorm == "batch")
        if mode.batchnorm == "batch":
            layer.track_running_stats = False  # so it neither reads nor writes running statistics


@contextmanager
def calibrating(model: nn.Module) -> Iterator[None]:
    """Batch normalisation gathers the statistics of the batches that come, all with one weight.

    Args:
        model: A private copy.

    Yields:
        Nothing.
    """
    layers = [layer for _, layer in _tracking(model)]
    kept = [(layer.training, layer.momentum) for layer in layers]
    try:
        for layer in layers:
            layer.training, layer.momentum = True, None
        yield
    finally:
        for layer, (training, momentum) in zip(layers, kept, strict=True):
            layer.training, layer.momentum = training, momentum


def unset_statistics(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Running statistics that have seen no batch.

    Args:
        model: The model.
        tensors: Its parameters and buffers by name.

    Returns:
        By the name of the buffer, like the tensors of these names.
    """
    unset = {"running_mean": 0.0, "running_var": 1.0, "num_batches_tracked": 0}
    places = (
        (f"{path}.{name}" if path else name, value) for path, _ in _tracking(model) for name, value in unset.items()
    )
    return {name: torch.full_like(tensors[name], value) for name, value in places if name in tensors}


def _layers(model: nn.Module) -> list[tuple[str, _Layer]]:
    return [(path, module) for path, module in model.named_modules() if isinstance(module, _Layer)]


def _tracking(model: nn.Module) -> list[tuple[str, _Layer]]:
    return [(path, layer) for path, layer in _layers(model) if layer.track_running_stats]
