"""What keeps a run apart from the user's world: a private copy of the model, and the global state put back."""

from __future__ import annotations

import copy
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["attributes_kept", "drawing_alone", "global_state_kept", "private_copy", "seed_everything", "seed_model"]

T = TypeVar("T")


def private_copy(model: nn.Module, *, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """A copy of the module structure in evaluation mode, which shares parameters and buffers with the original.

    The engine swaps weights in and out of the copy, so the user's model is never written to, not even for the time
    of the call; as parameters and buffers are shared, the copy costs no memory. Attributes and hooks are copied too:
    what a forward pass leaves on the module stays on the copy.

    Args:
        model: Any module. It is not changed.
        device: Where tensors that are plain attributes go.
        dtype: What those of them that are floating-point become.

    Returns:
        The copy, with every submodule in evaluation mode.

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
            kind = dtype if tensor.is_floating_point() else tensor.dtype
            known.setdefault(id(tensor), tensor.detach().to(device, kind, copy=True))
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
    return copied.eval()


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
    return torch.get_rng_state(), gpu, random.getstate(), np.random.get_state()  # noqa: NPY002 - as in seed_everything


def _set_generators(states: tuple[Any, ...], device: torch.device) -> None:
    cpu, gpu, python, numpy = states
    torch.set_rng_state(cpu)
    if gpu is not None:
        torch.cuda.set_rng_state(gpu, device)
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002


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


def seed_everything(device: torch.device, seed: int) -> None:
    """Seeds the generators of torch, numpy and Python. Only for use inside `global_state_kept`.

    Args:
        device: Where the model is.
        seed: The seed.
    """
    seed_model(device, seed)
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
