"""All that the engine asks of a GPU besides arithmetic: copies, streams, clocks, captured work, and free memory.

Other files call these functions through the module, so that tests can pretend a GPU on a machine without one.
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

WARM_UPS = 2  # calls before a capture: at the first call, libraries choose and load their kernels


def on_gpu(device: torch.device) -> bool:
    """Whether a device is a GPU."""
    return device.type == "cuda"


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on the device.

    Args:
        tensor: On the CPU. It may be changed afterwards.
        device: The target device.

    Returns:
        The tensor on the device. The copy to a GPU goes through pinned memory, so the CPU does not wait for it.
    """
    return tensor.pin_memory().to(device, non_blocking=True) if on_gpu(device) else tensor.to(device)


def here(device: torch.device) -> Any:
    """The stream that work for a GPU is queued on."""
    return torch.cuda.current_stream(device)


def second_stream(device: torch.device) -> Any:
    """A stream beside the current one."""
    return torch.cuda.Stream(device)


def queued_on(stream: Any) -> AbstractContextManager[Any]:
    """A context in which work is queued on this stream."""
    return torch.cuda.stream(stream)


def kept_for(stream: Any, tensor: Tensor) -> None:
    """Keeps the memory of a tensor of a different stream from being used again before this stream has read it."""
    tensor.record_stream(stream)


def event() -> Any:
    """A mark in a stream that other streams can wait for."""
    return torch.cuda.Event()


def free_memory(device: torch.device) -> int:
    """Bytes that this process may still take: free memory, and unused memory that torch keeps."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


def release(device: torch.device) -> None:
    """Gives back the unused memory of a GPU that torch keeps."""
    if on_gpu(device):
        torch.cuda.empty_cache()


class Clock:
    """Measures how long the work that is queued from now on takes.

    Args:
        device: Where the work is done.
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
        """Waits for the work, and returns the seconds since the start; on a GPU between two events of its stream."""
        if not on_gpu(self._device):
            return time.perf_counter() - float(self._started)
        ended = torch.cuda.Event(enable_timing=True)
        ended.record(here(self._device))
        ended.synchronize()
        return float(self._started.elapsed_time(ended)) / 1000


class Captured(NamedTuple):
    """Work that was captured.

    Args:
        replay: Queues the work again, on the same memory.
        forget: Gives its memory back.
    """

    replay: Callable[[], None]
    forget: Callable[[], None]


def pool(device: torch.device) -> Any:
    """Memory that several captures may share if their work never runs side by side."""
    with torch.cuda.device(device):
        return torch.cuda.graph_pool_handle()


def captured(work: Callable[[], None], device: torch.device, memory: Any) -> Captured:
    """Captures work as a CUDA graph.

    Args:
        work: Queues the work, the same each time, on memory that stays in its place. It is also called a few times
            before the capture.
        device: The GPU.
        memory: What `pool` returned.

    Returns:
        The graph.

    Raises:
        RuntimeError: When something in the work cannot be captured.
    """
    stream, current = second_stream(device), here(device)
    with torch.cuda.stream(current):  # a failed capture does not return to this stream by itself
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
