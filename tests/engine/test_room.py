"""How much memory there is, by what the system says."""

import sys

import pytest
import torch

from fastscape.engine import room

CPU = torch.device("cpu")


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files of a system that is not there."""
    monkeypatch.setattr(room, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(room, "PROCESS", tmp_path / "status")
    monkeypatch.setattr(room, "GROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"meminfo": "MemTotal:  9 kB\nMemAvailable:    5 kB\nHugePages_Free:  0\n"}, 5 << 10),
        ({"meminfo": "MemAvailable: 5 kB\n", "memory.max": "max\n", "memory.current": "3\n"}, 5 << 10),
        ({"meminfo": "MemAvailable: 5 kB\n", "memory.max": "4000\n", "memory.current": "3000\n"}, 1000),
        ({"memory.max": "4000\n", "memory.current": "5000\n"}, 0),
        ({"memory.max": "4000\n"}, None),
    ],
    ids=["nothing", "the machine", "no limit", "of a group", "above the limit", "half of it"],
)
def test_the_least_of_what_the_limits_leave(system, files, free):
    for name, text in files.items():
        (system / name).write_text(text)
    assert room.free_memory(CPU) == free


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_the_limit_of_the_process(system, monkeypatch):
    import resource

    (system / "status").write_text("VmData:  2 kB\nVmSize:  3 kB\n")
    limits = {resource.RLIMIT_DATA: (10 << 10, 10 << 10), resource.RLIMIT_AS: (resource.RLIM_INFINITY, 0)}
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    assert room.free_memory(CPU) == 8 << 10


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="files of Linux")
def test_here():
    assert room.free_memory(CPU) > 0
