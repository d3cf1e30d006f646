"""Asks the system how much memory a process may still take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from fastscape.engine import gpu

__all__ = ["free_memory"]

PROCESS, MACHINE, GROUP = Path("/proc/self/status"), Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def free_memory(device: torch.device) -> int | None:
    """Bytes of a device that this process may still take.

    Args:
        device: A CPU or a GPU.

    Returns:
        The least that any of its limits leaves; None if the system reports no limit.
    """
    if gpu.on_gpu(device):
        return gpu.free_memory(device)
    return min(_left(), default=None)


def _left() -> Iterator[int]:
    """What each limit of the main memory leaves: of the machine, of the process, of its group."""
    machine, process = _sizes(MACHINE), _sizes(PROCESS)
    if "MemAvailable" in machine:
        yield machine["MemAvailable"]
    if sys.platform != "win32":
        import resource

        for limit, taken in ((resource.RLIMIT_DATA, "VmData"), (resource.RLIMIT_AS, "VmSize")):
            most, _ = resource.getrlimit(limit)
            if most != resource.RLIM_INFINITY and taken in process:
                yield max(most - process[taken], 0)
    try:
        most_of_group, taken_by_group = ((GROUP / f"memory.{name}").read_text() for name in ("max", "current"))
        yield max(int(most_of_group) - int(taken_by_group), 0)  # "max" is no number: there is no limit
    except (OSError, ValueError):
        return


def _sizes(path: Path) -> dict[str, int]:
    """The sizes in a file of the system, in bytes."""
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {of[0].rstrip(":"): 1024 * int(of[1]) for of in words if len(of) == 3 and of[2] == "kB"}
