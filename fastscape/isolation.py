"""What keeps a run apart from the user's world: a private copy of the model, and the global state put back."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["global_state_kept", "private_copy", "seed_model"]

T = TypeVar("T")


def private_copy(model: nn.Module) -> nn.Module:
    """A copy of the module structure in evaluation mode, which shares every tensor with the original.

    The engine swaps weights in and out of the copy, so the user's model is never written to, not even for the time
    of the call; as the tensors are shared, the copy costs no memory. Attributes and hooks are copied too: what a
    forward pass leaves on the module stays on the copy.

    Args:
        model: Any module. It is not changed.

    Returns:
        The copy, with every submodule in evaluation mode.

    Raises:
        TypeError: When an attribute of the model cannot be copied.
    """
    shared: dict[int, object] = {}
    for module in model.modules():
        tensors = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        shared.update((id(tensor), tensor) for tensor in tensors if isinstance(tensor, Tensor))
    try:
        return copy.deepcopy(model, shared).eval()
    except Exception as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied ({error}); landscapes are evaluated on a copy so that your "
            "model stays untouched: remove the attribute that copy.deepcopy refuses, or give its class a __deepcopy__"
        ) from error


@contextmanager
def global_state_kept(device: torch.device) -> Iterator[None]:
    """Full float32 arithmetic without autocast inside; every global state as it was afterwards.

    Random number generators (torch on the CPU and on the device, numpy, random), the precision of float32 matrix
    products and convolutions, and the TF32 switches come back also after an exception.

    Args:
        device: Where the run computes.

    Yields:
        Nothing.
    """
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 - the legacy global generator is the one to protect
    gpus = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(gpus), _full_float32(), _no_autocast():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def seed_model(device: torch.device, seed: int) -> None:
    """Seeds the generators that a model on `device` draws from.

    `torch.manual_seed` would also seed the devices that are not used here, whose states nothing gives back.

    Args:
        device: Where the model is.
        seed: The seed.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@contextmanager
def _full_float32() -> Iterator[None]:
    """No TF32 and no bfloat16 inside float32 products: by default cuDNN convolutions would take TF32.

    torch has two sets of switches, the older global ones and one for each backend and operation, and refuses to
    read a switch while the two disagree; so both are set, and both are put back.

    Yields:
        Nothing.
    """
    operations: list[Any] = [  # torch's annotations do not know the operations of cudnn and mkldnn
        torch.backends.cuda.matmul,
        torch.backends.cudnn.conv,  # type: ignore[attr-defined]
        torch.backends.cudnn.rnn,
        torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
        torch.backends.mkldnn.conv,  # type: ignore[attr-defined]
        torch.backends.mkldnn.rnn,  # type: ignore[attr-defined]
    ]
    kept = [operation.fp32_precision for operation in operations]
    matmul = _readable(torch.get_float32_matmul_precision)
    cudnn = _readable(lambda: torch.backends.cudnn.allow_tf32)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for operation in operations:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            torch.backends.cudnn.allow_tf32 = cudnn
        for operation, precision in zip(operations, kept, strict=True):
            operation.fp32_precision = precision


def _readable(read: Callable[[], T]) -> T | None:
    """The value of a switch, or None where torch refuses to read it because the newer switches override it."""
    try:
        return read()
    except RuntimeError:
        return None


@contextmanager
def _no_autocast() -> Iterator[None]:
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield
