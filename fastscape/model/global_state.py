"""The global state that a run may change while it lasts: random number generators, and the precision of products."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch

__all__ = ["drawing_alone", "generators_of", "global_state_kept", "seed_everything"]

T = TypeVar("T")


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
    numpy_state = _numpy_state()
    gpus = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(gpus), _full_float32(device), _no_autocast():
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


def drawing_alone(items: Iterable[T], device: torch.device) -> Iterator[T]:
    """The items of an iterable that may draw random numbers: it finds every generator as it has left it.

    Args:
        items: What is read, such as the batches of a loader that augments.
        device: Where the run computes, which seeds the generators again and again.

    Yields:
        The items.
    """
    states = _generators(device)
    iterator = iter(items)
    while True:
        before = _generators(device)
        _set_generators(states, device)
        try:
            item = next(iterator)
        except StopIteration:
            return
        finally:
            states = _generators(device)
            _set_generators(before, device)
        yield item


def _generators(device: torch.device) -> tuple[Any, ...]:
    gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), gpu, random.getstate(), _numpy_state()


def _numpy_state() -> Any:
    """The state of the legacy global generator, which is the one that models and losses draw from."""
    return np.random.get_state(legacy=False)  # noqa: NPY002 - in the form that every bit generator has


def _set_generators(states: tuple[Any, ...], device: torch.device) -> None:
    cpu, gpu, python, numpy = states
    torch.set_rng_state(cpu)
    if gpu is not None:
        torch.cuda.set_rng_state(gpu, device)
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002


def generators_of(device: torch.device) -> tuple[object, ...]:
    """The states of the global generators, to be compared.

    Args:
        device: Where the model is.

    Returns:
        Values that are equal when nothing was drawn in between.
    """
    cpu, gpu, python, numpy = _generators(device)
    return cpu.numpy().tobytes(), b"" if gpu is None else gpu.numpy().tobytes(), python, _plain(numpy)


def _plain(state: Any) -> Any:
    """The state of a bit generator of numpy, of any kind, as what can be compared."""
    if isinstance(state, np.ndarray):
        return state.tobytes()
    return {name: _plain(part) for name, part in state.items()} if isinstance(state, dict) else state


def seed_everything(device: torch.device, seed: int) -> None:
    """Seeds the generators of torch, numpy and Python. Only for use inside `global_state_kept`.

    Args:
        device: Where the model is.
        seed: The seed.
    """
    # torch.manual_seed would also seed the devices that are not used here, whose states nothing gives back.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - models and losses draw from the legacy global generator


@contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """No TF32 and no bfloat16 inside float32 products: by default cuDNN convolutions would take TF32.

    torch has two sets of switches, the older global ones and one for each backend and operation, and refuses to
    read a switch while the two disagree; so both are set, and both are put back. Those of the other kind of device
    are not touched.

    Args:
        device: Where the run computes.

    Yields:
        Nothing.
    """
    backends: Any = torch.backends  # torch's annotations do not know the operations of cudnn and mkldnn
    own = backends.cudnn if device.type == "cuda" else backends.mkldnn
    # With the backend from which each inherits. The older switch for products writes to both kinds of device.
    operations = [
        (backends.cuda.matmul, backends.cudnn),
        (backends.mkldnn.matmul, backends.mkldnn),
        (own.conv, own),
        (own.rnn, own),
    ]
    kept = [(operation.fp32_precision, parent.fp32_precision) for operation, parent in operations]
    with _older_switches_allowed():
        matmul = _readable(torch.get_float32_matmul_precision)
        cudnn = _readable(lambda: backends.cudnn.allow_tf32) if device.type == "cuda" else None
        torch.set_float32_matmul_precision("highest")
        if device.type == "cuda":
            backends.cudnn.allow_tf32 = False
    for operation, _ in operations:
        operation.fp32_precision = "ieee"
    try:
        yield
    finally:
        with _older_switches_allowed():
            if matmul is not None:
                torch.set_float32_matmul_precision(matmul)
            if cudnn is not None:
                backends.cudnn.allow_tf32 = cudnn
        for (operation, _), (precision, inherited) in zip(operations, kept, strict=True):
            # A value that equals the backend's was inherited from it; "none" makes it follow the backend again.
            operation.fp32_precision = "none" if precision == inherited else precision


@contextmanager
def _older_switches_allowed() -> Iterator[None]:
    """Without torch 2.9's warning of them: they must be set as long as torch has them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Please use the new API settings to control TF32")
        yield


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
