"""The global state that a run may change: random number generators, and the precision of products."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from fastscape.model.pauses import at_rest
from fastscape.model.thread_modes import modes_here, set_autocast, set_modes

__all__ = ["GlobalState", "drawing_alone", "generators_of", "seed_everything", "settings_of"]

T = TypeVar("T")


class GlobalState:
    """The state of the process and of its thread that a run may change, as it was when this object was made.

    It covers random number generators (torch on the CPU and on the device, numpy, random), the precision of float32
    matrix products and convolutions, and the TF32 switches. On a GPU it covers cuDNN's search for the fastest
    convolution and the narrow sums of products in half precision. It also covers autocast, the gradient mode, the list
    of warning filters, and in a forked process the number of threads.

    Args:
        device: The device of the run.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._generators = _generators(device)
        self._switches = _switches(device)
        self._modes = modes_here()
        self._filters = warnings.filters
        self._threads = torch.get_num_threads()
        self.done = False

    def begin(self) -> None:
        """Sets full float32 precision, without autocast."""
        if _forked:
            # The threads of OpenMP do not survive a fork, and waiting for them never ends.
            torch.set_num_threads(1)
        _set_full(self._device)
        for kind, _, dtype in self._modes.autocast:
            set_autocast(kind, False, dtype)

    def put_back(self) -> None:
        """Restores everything. Does nothing if this was done already."""
        if self.done:
            return
        _set_generators(self._generators, self._device)
        _set_switches(self._switches, self._device)
        set_modes(self._modes)
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)
        if warnings.filters is not self._filters:  # what replaced them prevented their restoration
            warnings.filters = self._filters
            with warnings.catch_warnings():
                pass  # makes Python read them again
        self.done = True


def drawing_alone(items: Iterable[T], device: torch.device) -> Iterator[T]:
    """The items of an iterable that may draw random numbers: it finds every generator as it left it.

    Args:
        items: The iterable, such as the batches of a loader that augments.
        device: The device of the run, which seeds the generators repeatedly.

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
    """The state of the legacy global generator, from which models and losses draw."""
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
    """The state of a numpy bit generator of any kind, in a form that can be compared."""
    if isinstance(state, np.ndarray):
        return state.tobytes()
    return {name: _plain(part) for name, part in state.items()} if isinstance(state, dict) else state


def seed_everything(device: torch.device, seed: int) -> None:
    """Seeds the generators of torch, numpy and Python, before every evaluation. `GlobalState` restores them.

    Args:
        device: Where the model is.
        seed: The seed.
    """
    at_rest()
    # torch.manual_seed would also seed the devices that are not used here, whose states nothing restores.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - models and losses draw from the legacy global generator


class _Switches(NamedTuple):
    """The switches that lower the precision of float32 products.

    Args:
        matmul: The older switch for products; None if torch does not tell it.
        cudnn: The older switch for convolutions; None if it is not changed.
        each: The newer switches.
        bits: On a GPU, the switches that let bits differ from run to run, or sums be narrower: `_narrowing`.
    """

    matmul: str | None
    cudnn: bool | None
    each: list[str]
    bits: list[Any]


def _operations(device: torch.device) -> list[tuple[Any, Any]]:
    """The newer switches that a run sets, each with the backend from which it inherits.

    torch has two sets of switches, the older global ones and newer ones per backend and operation. It refuses to read
    a switch while the two sets disagree, so both are set, and both are restored. Switches of the other kind of device
    are not changed, but the older switch for products writes to both kinds.

    Args:
        device: The device of the run.

    Returns:
        The switches.
    """
    backends: Any = torch.backends  # torch's annotations do not know the operations of cudnn and mkldnn
    own = backends.cudnn if device.type == "cuda" else backends.mkldnn
    return [
        (backends.cuda.matmul, backends.cudnn),
        (backends.mkldnn.matmul, backends.mkldnn),
        (own.conv, own),
        (own.rnn, own),
    ]


def _narrowing(device: torch.device) -> list[tuple[Any, str]]:
    """The switches of a GPU, other than for float32, that are off in a run.

    cuDNN's benchmark chooses the convolution that was fastest at the moment, and may choose a different one in the
    next run. The other switches allow intermediate rounding in half-precision sums.

    Args:
        device: The device of the run.

    Returns:
        Their owners and names.
    """
    if device.type != "cuda":
        return []
    backends: Any = torch.backends
    names = (
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
        "allow_fp16_accumulation",
    )
    products = [(backends.cuda.matmul, name) for name in names if _has(backends.cuda.matmul, name)]
    return [(backends.cudnn, "benchmark"), *products]


def _has(owner: Any, name: str) -> bool:
    """Whether this version of torch has a switch."""
    try:
        return hasattr(owner, name)
    except AssertionError:  # what torch raises for a name that it does not know
        return False


def _switches(device: torch.device) -> _Switches:
    # A value that equals the backend's was inherited from it; "none" makes it follow the backend again.
    each = [
        "none" if operation.fp32_precision == parent.fp32_precision else operation.fp32_precision
        for operation, parent in _operations(device)
    ]
    with _older_switches_allowed():
        matmul = _readable(torch.get_float32_matmul_precision)
        cudnn = _readable(lambda: torch.backends.cudnn.allow_tf32) if device.type == "cuda" else None
    return _Switches(matmul, cudnn, each, [getattr(owner, name) for owner, name in _narrowing(device)])


def _set_switches(switches: _Switches, device: torch.device) -> None:
    with _older_switches_allowed():
        if switches.matmul is not None:
            torch.set_float32_matmul_precision(switches.matmul)
        if switches.cudnn is not None:
            torch.backends.cudnn.allow_tf32 = switches.cudnn
    for (operation, _), precision in zip(_operations(device), switches.each, strict=True):
        operation.fp32_precision = precision
    for (owner, name), value in zip(_narrowing(device), switches.bits, strict=True):
        setattr(owner, name, value)


def _set_full(device: torch.device) -> None:
    """No TF32 (cuDNN's default) and no bfloat16 inside float32 products, and the same bits in every run."""
    operations = _operations(device)
    cudnn = False if device.type == "cuda" else None
    _set_switches(_Switches("highest", cudnn, ["ieee"] * len(operations), [False] * len(_narrowing(device))), device)


def settings_of(device: torch.device) -> dict[str, object]:
    """The process-wide settings that decide how torch computes, to be compared.

    Args:
        device: Where the model is.

    Returns:
        Values by the names under which users know them.
    """
    backends: Any = torch.backends
    return {
        "torch.use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "torch.set_num_threads": torch.get_num_threads(),
        "torch.backends.mkldnn.enabled": backends.mkldnn.enabled,
        "torch.backends.cudnn": [getattr(backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")],
        "the precision of float32 products": _switches(device),
    }


@contextmanager
def _older_switches_allowed() -> Iterator[None]:
    """Silences torch 2.9's warning about these switches: they must be set as long as torch has them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Please use the new API settings to control TF32")
        yield


def _readable(read: Callable[[], T]) -> T | None:
    """The value of a switch, or None if torch refuses to read it because the newer switches override it."""
    try:
        return read()
    except RuntimeError:
        return None


def _before_fork() -> None:
    global _threaded
    try:
        _threaded = len(os.listdir("/proc/self/task")) > 1  # noqa: PTH208 - this makes no objects
    except OSError:
        _threaded = True  # there may be other threads


def _after_fork() -> None:
    global _forked
    _forked = _forked or _threaded


_threaded = False  # whether there were other threads at the last fork
_forked = False  # whether this process has lost threads by a fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork)
