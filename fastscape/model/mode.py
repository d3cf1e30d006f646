"""In which mode a model is evaluated: dropout on or off, and what batch normalisation uses."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from fastscape.model.batch_norm import BatchNorm, layers

__all__ = ["Mode", "set_mode"]


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
    for _, layer in layers(model):
        layer.train(mode.batchnorm == "batch")
        if mode.batchnorm == "batch":
            layer.track_running_stats = False  # so it neither reads nor writes running statistics
