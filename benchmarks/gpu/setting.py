"""What every stage is told, what an entry is, and how time is taken on a device."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

__all__ = ["Entry", "NotOfferedError", "Setting", "busy", "medians", "per_launch", "poisoned"]

QUEUED = 50_000_000  # cycles for which a GPU waits, some 30 ms, while launches queue up behind


class NotOfferedError(Exception):
    """What an entry is about does not exist here."""


class Entry(NamedTuple):
    """One measurement.

    Args:
        name: Of it, within its stage.
        run: Does it, and returns plain values by name; "wrong" among them says that a value is not what it must be.
        seconds: That it is expected to take.
        rank: How much it is worth: those of rank 0 of all stages come first, and so on.
    """

    name: str
    run: Callable[[], dict[str, Any]]
    seconds: float
    rank: int = 0


@dataclass(frozen=True)
class Setting:
    """Where and how large everything is measured.

    Args:
        device: The device.
        tiny: Whether sizes are such that they only show that everything runs.
        seed: Of all random inputs.
    """

    device: torch.device
    tiny: bool
    seed: int

    @property
    def gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.type == "cuda"

    @cached_property
    def cache(self) -> int:
        """Bytes of the largest cache, in front of the device's memory."""
        if not self.gpu:
            return 1 << 20
        return int(getattr(torch.cuda.get_device_properties(self.device), "L2_cache_size", 0)) or 64 << 20

    def generator(self, *what: object) -> torch.Generator:
        """Random numbers on the CPU, that follow from the seed and from what they are for."""
        return torch.Generator().manual_seed(zlib.crc32(repr((self.seed, *map(str, what))).encode()))

    def synchronize(self) -> None:
        """Waits until the device has done what it was told."""
        if self.gpu:
            torch.cuda.synchronize(self.device)


def per_launch(setting: Setting, calls: Sequence[Callable[[], Any]], times: int) -> dict[str, float]:
    """Seconds of one call on the device: the calls are made in rotation, so that each finds the caches of the others.

    On a GPU the device first waits until the calls are queued, so that between the events of a call lies its work and
    not the time of Python.

    Args:
        setting: Where.
        calls: The same call, each with inputs and outputs of its own.
        times: How many are timed.

    Returns:
        The median in seconds, and the spread: the distance from the first to the ninth tenth as a share of it.
    """
    for call in calls[:3]:
        call()
    setting.synchronize()
    if not setting.gpu:
        return _summary([_seconds(calls[k % len(calls)]) for k in range(times)])
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(times)]
    torch.cuda._sleep(QUEUED)
    for k, (begin, end) in enumerate(events):
        begin.record()
        calls[k % len(calls)]()
        end.record()
    setting.synchronize()
    return _summary([begin.elapsed_time(end) / 1e3 for begin, end in events])


def busy(setting: Setting, calls: Sequence[Callable[[], Any]], times: int) -> float | None:
    """Seconds that the device works at one call, in its kernels and copies alone, without the gaps between them.

    Args:
        setting: Where.
        calls: As of `per_launch`.
        times: How many are watched.

    Returns:
        The mean in seconds; None on a CPU, and where the device cannot be watched.
    """
    if not setting.gpu:
        return None
    with profile(activities=[ProfilerActivity.CUDA]) as watched:
        for k in range(times):
            calls[k % len(calls)]()
        setting.synchronize()
    events = (event for event in watched.key_averages() if event.device_type == DeviceType.CUDA)
    microseconds = sum(event.self_device_time_total for event in events)
    return microseconds / 1e6 / times or None


def medians(setting: Setting, run: Callable[[], Any], times: int) -> dict[str, float]:
    """Seconds of some work, by the clock, until the device has done it; it was done once before.

    Args:
        setting: Where.
        run: The work.
        times: How often.

    Returns:
        The median in seconds, and the spread, as of `per_launch`.
    """
    found = []
    for _ in range(times):
        setting.synchronize()
        started = time.perf_counter()
        run()
        setting.synchronize()
        found.append(time.perf_counter() - started)
    return _summary(found)


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered, tenth = sorted(seconds), len(seconds) // 10
    median = statistics.median(ordered)
    return {"seconds": median, "spread": (ordered[-1 - tenth] - ordered[tenth]) / median if median else 0.0}


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def poisoned(setting: Setting, value: float) -> None:
    """Leaves memory that the allocator hands out next full of a value."""
    sizes = [1 << k for k in range(9, 14 if setting.tiny else 26)]
    held = [torch.full((size,), value, device=setting.device) for size in sizes]
    setting.synchronize()
    del held
