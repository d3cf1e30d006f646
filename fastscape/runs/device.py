"""Which of several GPUs a process computes on."""

from __future__ import annotations

import os

import torch

__all__ = ["own_gpu"]


def own_gpu(device: torch.device) -> torch.device:
    """The device with its number: what is just "cuda" is another GPU in each process that torchrun has started.

    Args:
        device: The device that was asked for.

    Returns:
        The same, where it has a number or is no GPU; else the current GPU, and under torchrun, where nobody has chosen
        one (all processes begin with the first), the GPU of the process's own number on this machine.
    """
    if device.type != "cuda" or ":" in str(device):
        return device
    current, rank = torch.cuda.current_device(), os.environ.get("LOCAL_RANK", "")
    if current == 0 and rank.isdecimal() and "TORCHELASTIC_RUN_ID" in os.environ:
        return torch.device("cuda", int(rank) % torch.cuda.device_count())
    return torch.device("cuda", current)
