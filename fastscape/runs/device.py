"""Chooses the GPU of a process."""

from __future__ import annotations

import os

import torch

__all__ = ["own_gpu"]


def own_gpu(device: torch.device) -> torch.device:
    """The device with its number: "cuda" alone is a different GPU in each process that torchrun started.

    Args:
        device: The requested device.

    Returns:
        The same device, if it has a number or is not a GPU; else the current GPU. Under torchrun, if no GPU was
        chosen (all processes start with the first), the GPU with the local number of the process.
    """
    if device.type != "cuda" or ":" in str(device):
        return device
    current, rank = torch.cuda.current_device(), os.environ.get("LOCAL_RANK", "")
    if current == 0 and rank.isdecimal() and "TORCHELASTIC_RUN_ID" in os.environ:
        return torch.device("cuda", int(rank) % torch.cuda.device_count())
    return torch.device("cuda", current)
