"""The modes of torch that belong to a thread, and switches of the process that a forward pass sets for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch

__all__ = ["Modes", "Switches", "modes_here", "modes_of", "set_autocast", "set_modes", "set_switches", "switches_here"]


class Modes(NamedTuple):
    """The modes of a thread.

    Args:
        gradients: Whether operations are recorded.
        autocast: For each kind of device whether there is autocast, and to what.
        caches: Whether autocast keeps what it has cast.
        inference: Whether tensors are made that no operation will be recorded of.
        device: Where tensors are made of which nobody says it.
    """

    gradients: bool
    autocast: list[tuple[str, bool, torch.dtype]]
    caches: bool
    inference: bool
    device: torch.device


class Switches(NamedTuple):
    """What a forward pass may set of the whole process, and put back when it ends.

    Args:
        dtype: That floating-point tensors get of which nobody says it.
        attention: Which kernels of attention may be taken: flash, with little memory, plain, cuDNN's.
    """

    dtype: torch.dtype
    attention: tuple[bool, bool, bool, bool]


def modes_here() -> Modes:
    """The modes of this thread."""
    autocast = [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda")]
    caches, inference = torch.is_autocast_cache_enabled(), torch.is_inference_mode_enabled()
    return Modes(torch.is_grad_enabled(), autocast, caches, inference, torch.get_default_device())


def set_modes(modes: Modes) -> None:
    """Sets the gradient mode and autocast of this thread.

    Args:
        modes: What they become.
    """
    torch.set_grad_enabled(modes.gradients)
    for kind, enabled, dtype in modes.autocast:
        set_autocast(kind, enabled, dtype)
    torch.set_autocast_cache_enabled(modes.caches)


def set_autocast(kind: str, enabled: bool, dtype: torch.dtype) -> None:
    """Sets autocast of this thread for a kind of device.

    Args:
        kind: Of the device.
        enabled: Whether there is any.
        dtype: To what it casts.
    """
    torch.set_autocast_enabled(kind, enabled)
    torch.set_autocast_dtype(kind, dtype)


@contextmanager
def modes_of(modes: Modes) -> Iterator[None]:
    """Another thread's modes in this one, which begins with those of torch.

    Args:
        modes: The modes.

    Yields:
        Nothing.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(modes.inference))
        if modes.device != torch.get_default_device():
            stack.enter_context(modes.device)
        set_modes(modes)
        yield


def switches_here() -> Switches:
    """What the switches of the process are."""
    cuda = torch.backends.cuda
    attention = (
        cuda.flash_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.math_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
    )
    return Switches(torch.get_default_dtype(), attention)


def set_switches(switches: Switches) -> None:
    """Sets the switches of the process, those that are not what they should be.

    Args:
        switches: What they become.
    """
    here, cuda = switches_here(), torch.backends.cuda
    if here.dtype != switches.dtype:
        torch.set_default_dtype(switches.dtype)
    setters = cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_math_sdp, cuda.enable_cudnn_sdp
    for set_switch, before, after in zip(setters, here.attention, switches.attention, strict=True):
        if before != after:
            set_switch(after)
