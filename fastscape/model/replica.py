"""The private copy of a model that a run evaluates: its mode and its layers."""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from fastscape.model.batch_norm import BatchNorm, layers

__all__ = ["Layers", "Mode", "layers_of", "set_mode"]


class Mode(NamedTuple):
    """The mode in which a model is evaluated.

    Args:
        batchnorm: What batch normalisation uses. Default "running".
        train: Whether everything else is in training mode: dropout, for example. Default False.
    """

    batchnorm: BatchNorm = "running"
    train: bool = False


class Layers(NamedTuple):
    """The kinds of layers in a model, as far as a plan depends on them.

    Args:
        leaves: Number of modules without modules inside.
        convolutions: Whether there are convolutions.
        images: Whether there are two-dimensional convolutions.
        batchnorm: Whether there is batch normalisation.
        recurrent: Whether there are recurrent layers of torch. Default False.
    """

    leaves: int
    convolutions: bool
    images: bool
    batchnorm: bool
    recurrent: bool = False


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


def layers_of(model: nn.Module) -> Layers:
    """The kinds of layers in a model.

    Args:
        model: The model.

    Returns:
        The layers.
    """
    modules = list(model.modules())

    def has(kind: type[nn.Module]) -> bool:
        return any(isinstance(module, kind) for module in modules)

    leaves = sum(1 for module in modules if not list(module.children()))
    convolutions, images = has(nn.modules.conv._ConvNd), has(nn.Conv2d)
    return Layers(leaves, convolutions, images, has(nn.modules.batchnorm._BatchNorm), has(nn.RNNBase))
