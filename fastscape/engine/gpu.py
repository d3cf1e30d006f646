"""All that the engine asks of a GPU besides arithmetic: copies, streams, clocks, captured work, and free memory.

The other rooms call these by their module, so that the tests can pretend a GPU where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Captured",
    "Clock",
    "captured",
    "event",
    "free_memory",
    "here",
    "kept_for",
    "on_gpu",
    "pool",
    "queued_on",
    "release",
    "second_stream",
    "sent",
]

WARM_UPS = 2  # calls before a capture: libraries choose and load their kernels at the first


def on_gpu(device: torch.device) -> bool:
    """Whether a device is a GPU."""
    return device.type == "cuda"


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device.

    Args:
        tensor: On the CPU. It may be changed afterwards.
        device: Where it goes.

    Returns:
        The tensor there. On its way to a GPU it is in pinned memory, so nobody waits for the copy.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if on_gpu(device) else tensor.to(device)


def here(device: torch.device) -> Any:
    """The stream that work for a GPU is queued on."""
    return torch.cuda.current_stream(device)


def second_stream(device: torch.device) -> Any:
    """A stream beside the current one."""
    return torch.cuda.Stream(device)


def queued_on(stream: Any) -> AbstractContextManager[Any]:
    """What is queued inside goes to this stream."""
    return torch.cuda.stream(stream)


def kept_for(stream: Any, tensor: Tensor) -> None:
    """The memory of a tensor that was made on another stream is not used again before this one has read it."""
    tensor.record_stream(stream)


def event() -> Any:
    """A mark in a stream that others can wait for."""
    return torch.cuda.Event()


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still take: what nobody holds, and what torch keeps for it unused."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def release(device: torch.device) -> None:
    """Gives back what torch keeps of a GPU's memory unused."""
    if on_gpu(device):
        torch.cuda.empty_cache()


class Clock:
    """Measures how long the work that is queued from now on takes.

    Args:
        device: Where it is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._started: Any
        if on_gpu(device):
            self._started = torch.cuda.Event(enable_timing=True)
            self._started.record(here(device))
        else:
            self._started = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since, once all of it is done: on a GPU between two events of its stream."""
        if not on_gpu(self._device):
            return time.perf_counter() - float(self._started)
        ended = torch.cuda.Event(enable_timing=True)
        ended.record(here(self._device))
        ended.synchronize()
        return float(self._started.elapsed_time(ended)) / 1000


class Captured(NamedTuple):
    """Work that was captured.

    Args:
        replay: Queues all of it again, on the same memory.
        forget: Gives its memory back.
    """

    replay: Callable[[], None]
    forget: Callable[[], None]


def pool(device: torch.device) -> Any:
    """Memory that several captures may share, whose work never runs side by side."""
    with torch.cuda.device(device):
        return torch.cuda.graph_pool_handle()


def captured(work: Callable[[], None], device: torch.device, memory: Any) -> Captured:
    """Captures work as a CUDA graph.

    Args:
        work: Queues the work, the same each time, on memory that stays in its place. It is called some times before.
        device: The GPU.
        memory: What `pool` returned.

    Returns:
        The graph.

    Raises:
        RuntimeError: When something in it cannot be captured.
    """
    stream, current = second_stream(device), here(device)
    with torch.cuda.stream(current):  # a capture that fails does not find back to it by itself
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                work()
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Other threads of the user's program may do what a capture forbids.
        with torch.cuda.graph(graph, pool=memory, stream=stream, capture_error_mode="thread_local"):
            work()
    return Captured(graph.replay, graph.reset)
