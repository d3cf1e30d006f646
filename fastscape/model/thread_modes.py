"""The modes of torch that belong to a thread, and process-wide switches that a forward pass sets temporarily."""

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
        autocast: For each kind of device whether autocast is on, and its dtype.
        caches: Whether autocast caches its casts.
        inference: Whether new tensors are inference tensors, of which no operation is recorded.
        device: The default device of new tensors.
    """

    gradients: bool
    autocast: list[tuple[str, bool, torch.dtype]]
    caches: bool
    inference: bool
    device: torch.device


class Switches(NamedTuple):
    """Process-wide settings that a forward pass may change, and restores when it ends.

    Args:
        dtype: The default dtype of new floating-point tensors.
        attention: The attention kernels that may be used: flash, memory-efficient, plain, cuDNN's.
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
        modes: The new modes.
    """
    torch.set_grad_enabled(modes.gradients)
    for kind, enabled, dtype in modes.autocast:
        set_autocast(kind, enabled, dtype)
    torch.set_autocast_cache_enabled(modes.caches)


def set_autocast(kind: str, enabled: bool, dtype: torch.dtype) -> None:
    """Sets autocast of this thread for a kind of device.

    Args:
        kind: The kind of the device.
        enabled: Whether autocast is on.
        dtype: Its dtype.
    """
    torch.set_autocast_enabled(kind, enabled)
    torch.set_autocast_dtype(kind, dtype)


@contextmanager
def modes_of(modes: Modes) -> Iterator[None]:
    """Sets another thread's modes in this thread, which starts with torch's defaults.

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
    """The present switches of the process."""
    cuda = torch.backends.cuda
    attention = (
        cuda.flash_sdp_enabled(),
        cuda.mem_efficient_sdp_enabled(),
        cuda.math_sdp_enabled(),
        cuda.cudnn_sdp_enabled(),
    )
    return Switches(torch.get_default_dtype(), attention)


def set_switches(switches: Switches) -> None:
    """Sets the switches of the process that differ from the given ones.

    Args:
        switches: The new switches.
    """
    here, cuda = switches_here(), torch.backends.cuda
    if here.dtype != switches.dtype:
        torch.set_default_dtype(switches.dtype)
    setters = cuda.enable_flash_sdp, cuda.enable_mem_efficient_sdp, cuda.enable_math_sdp, cuda.enable_cudnn_sdp
    for set_switch, before, after in zip(setters, here.attention, switches.attention, strict=True):
        if before != after:
            set_switch(after)
