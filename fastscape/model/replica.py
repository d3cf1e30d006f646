"""The private copy of a model that a run evaluates: its mode, its layers, and what a forward pass leaves behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastscape.model.batch_norm import BatchNorm, layers
from fastscape.weights import dtype_of

__all__ = ["Layers", "Mode", "attributes_kept", "layers_of", "private_copy", "set_mode", "twin"]


class Mode(NamedTuple):
    """In which mode a model is evaluated.

    Args:
        batchnorm: What batch normalisation uses. Default "running".
        train: Whether everything else is in training mode: dropout, for example. Default False.
    """

    batchnorm: BatchNorm = "running"
    train: bool = False


class Layers(NamedTuple):
    """Which layers a model has, as far as a plan depends on it.

    Args:
        leaves: Number of modules without modules inside.
        convolutions: Whether there are convolutions.
        images: Whether there are two-dimensional ones.
        batchnorm: Whether there is batch normalisation.
    """

    leaves: int
    convolutions: bool
    images: bool
    batchnorm: bool


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
    """Which layers a model has.

    Args:
        model: The model.

    Returns:
        The layers.
    """
    modules = list(model.modules())

    def has(kind: type[nn.Module]) -> bool:
        return any(isinstance(module, kind) for module in modules)

    leaves = sum(1 for module in modules if not list(module.children()))
    return Layers(leaves, has(nn.modules.conv._ConvNd), has(nn.Conv2d), has(nn.modules.batchnorm._BatchNorm))


def twin(model: nn.Module) -> nn.Module:
    """A copy of a private copy, for another thread or with other layers; it shares parameters and buffers."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})


def private_copy(model: nn.Module, *, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of the module structure, which shares parameters and buffers with the original.

    The engine swaps weights in and out of the copy, so the user's model is never written to, not even for the time
    of the call; as parameters and buffers are shared, the copy costs no memory. Attributes and hooks are copied too:
    what a forward pass leaves on the module stays on the copy.

    Args:
        model: Any module. It is not changed.
        device: Where tensors that are plain attributes go.
        dtype: What those of them that are floating-point become; complex ones see `fastscape.weights.dtype_of`.

    Returns:
        The copy.

    Raises:
        TypeError: When the model is a compiled script or a data-parallel wrapper, or cannot be copied.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError("the model came as TorchScript, whose weights cannot be swapped; give the Python module")
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise TypeError(f"the model came wrapped in {type(model).__name__}; give the module inside: model.module")
    known: dict[int, object] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        for tensor in _tensors(vars(module)):
            known.setdefault(id(tensor), tensor.detach().to(device, dtype_of(tensor, dtype), copy=True))
    try:
        copied = copy.deepcopy(model, known)
    except Exception as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied ({error}); landscapes are evaluated on a copy so that your "
            "model stays untouched: remove the attribute that copy.deepcopy refuses, or give its class a __deepcopy__"
        ) from error
    if {id(module) for module in model.modules()} & {id(module) for module in copied.modules()}:
        raise TypeError(
            f"the __deepcopy__ of {type(model).__name__}, or of a module in it, returns the module itself; let it "
            "return a copy, because landscapes are evaluated on a copy so that your model stays untouched"
        )
    return copied


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors in an attribute, also inside lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


@contextmanager
def attributes_kept(model: nn.Module) -> Iterator[None]:
    """What a forward pass binds to attributes of the modules is unbound afterwards, so that no state is carried on.

    Args:
        model: The private copy.

    Yields:
        Nothing.
    """
    kept = [(vars(module), vars(module).copy()) for module in model.modules()]
    try:
        yield
    finally:
        for attributes, before in kept:
            attributes.clear()
            attributes.update(before)
