"""Runs with a store that are ended from outside, in processes of their own that start from a warm one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import nn

import fastscape
from fastscape.engine import Engine

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["stored_runs", "zarr", "filelock"])

SIDE, CHUNK = 12, 8
PLAN = fastscape.Plan("loop", chunk=CHUNK, microbatch=7)

# Two targets for the standard error: with these samples and parts the first is met after 6 parts, the second after 9.
COARSE, FINE = 0.12, 0.1
PARTS: dict[str, Any] = {
    "samples": 800,
    "stream_samples": 50,
    "plan": fastscape.Plan("loop", chunk=CHUNK, microbatch=50),
}

# A surface of which most points are evaluated on a draw of as many samples as a standard error needs.
LEVELS: dict[str, Any] = {
    "samples": 800,
    "x": (-1, 1, 24),
    "y": (-1, 1, 24),
    "tolerance": 0.01,
    "target_standard_error": 0.1,
    "draw_samples": 60,
    "plan": fastscape.Plan("loop", chunk=CHUNK, microbatch=48),  # uneven for all and for the draw, and not many
}

# A surface whose basins are certain.
BASINS: dict[str, Any] = {"x": (-1, 1, 24), "y": (-1, 1, 24), "tolerance": 0.01, "topology": True}

# Random directions that are drawn several times.
REPEATS: dict[str, Any] = {"repeats": 5, "y": (-1, 1, 5)}


def problem(samples: int = 20) -> tuple[nn.Module, Any]:
    """A small model and its samples, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model, (torch.randn(samples, 3, generator=generator), torch.randint(2, (samples,), generator=generator))


def surface(store: Path | None, samples: int = 20, **options: Any) -> fastscape.Landscape:
    """The landscape that all runs compute."""
    wanted = {"x": (-1, 1, SIDE), "y": (-1, 1, SIDE), "plan": PLAN, "progress": False, "store": store, **options}
    return fastscape.surface(*problem(samples), **wanted)


def volume(store: Path | None, **options: Any) -> fastscape.Landscape:
    """A landscape of four axes."""
    wanted = {"axes": [(-1, 1, 4), (-1, 1, 3), (0, 1, 3), [-0.5, 0.25]], "plan": PLAN, "progress": False, **options}
    return fastscape.volume(*problem(), store=store, **wanted)


def of_sets(store: Path | None) -> fastscape.Landscape:
    """The landscape of two data sets and their classes that all runs compute."""
    model, (inputs, targets) = problem(30)
    data = {
        "train": (inputs[:20], targets[:20]),
        "test": [(inputs[20:24], targets[20:24]), (inputs[24:], targets[24:])],
    }
    return fastscape.surface(
        model, data, x=(-1, 1, SIDE), y=(-1, 1, SIDE), plan=PLAN, progress=False, store=store, per_class=[0, 1]
    )


def slowed(log: Path, seconds: float) -> None:
    """From now on chunks take longer, and their first points are noted."""
    sums = Engine.sums

    def slow(self: Engine, points: torch.Tensor) -> torch.Tensor:
        with log.open("a") as file:
            file.write(f"{points[0].tolist()}\n")
        time.sleep(seconds)
        return sums(self, points)

    Engine.sums = slow


def dying_in_a_write(number: int) -> None:
    """From now on the process kills itself when a block is written for the nth time, before its file is whole."""
    replace, left = Path.replace, [number]

    def dying(self: Path, target: Any) -> Path:
        if "sums" in str(self):
            left[0] -= 1
            if left[0] == 0:
                with self.open("r+b") as file:
                    file.truncate(5)
                os.kill(os.getpid(), signal.SIGKILL)
        return replace(self, target)

    Path.replace = dying


def run(store: Path, log: Path, seconds: float, dies_at: int | None = None) -> None:
    """What a process does."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sys.stderr = log.with_suffix(".err").open("a", buffering=1)
    slowed(log, seconds)
    if dies_at is not None:
        dying_in_a_write(dies_at)
    surface(store)


def run_in_parts(store: Path, log: Path, seconds: float, size: int, **options: Any) -> None:
    """What a process does with data in parts."""
    torch.set_num_threads(1)
    slowed(log, seconds)
    surface(store, stream_samples=size, **options)


def killed_in_the_third_part(process: Any, log: Path) -> None:
    """Kills a process that evaluates data in parts, once it has begun with the third."""
    ended = time.monotonic() + 120
    while len(log.read_text().splitlines()) < 2 * SIDE**2 // CHUNK + 3:
        assert time.monotonic() < ended
        time.sleep(0.01)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


class Large(torch.utils.data.Dataset):
    """Samples of 4 MB, made when they are read."""

    def __init__(self, samples: int) -> None:
        self.samples, self.read = samples, [0] * samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.read[index] += 1
        return torch.full((1_000_000,), float(index % 7)), index % 2


class Narrow(nn.Module):
    """Looks at a few entries of a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[1.0, -2.0, 0.5], [0.3, 0.2, -1.0]]))
            self.linear.bias.zero_()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(inputs[:, :3])


def run_in_little_memory(store: Path, answer: Any, samples: int, size: int | None, megabytes: int) -> None:
    """Evaluates data of which the system lets only a part be in memory, and sends what came of it."""
    import resource

    torch.set_num_threads(1)
    fastscape.surface(Narrow(), (torch.zeros(2, 3), torch.zeros(2).long()), x=(0, 1, 2), y=(0, 1, 2), progress=False)
    held = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line).split()[1]
    )
    resource.setrlimit(resource.RLIMIT_DATA, (held * 1024 + megabytes * 2**20,) * 2)
    data = Large(samples)
    loader = torch.utils.data.DataLoader(data, batch_size=2)
    try:
        grid = {"x": (-1, 1, 3), "y": (-1, 1, 3), "plan": fastscape.Plan("loop", 3, 2), "progress": False}
        landscape = fastscape.surface(Narrow(), loader, stream_samples=size, **grid)
    except (MemoryError, RuntimeError) as error:
        answer.send((type(error).__name__, data.read))
    else:
        answer.send((landscape.loss, data.read))


def run_with_small_files(store: Path, answer: Any, most: int) -> None:
    """Sends the error that comes where the system lets no file grow larger than some bytes."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    answer.send(_error(store))


def run_as_nobody(store: Path, answer: Any) -> None:
    """Sends the error that comes without the rights of the super-user, who may write to everything."""
    if os.getuid() == 0:
        os.setuid(65534)
    answer.send(_error(store))


def _error(store: Path) -> str:
    try:
        surface(store)
    except OSError as error:
        return str(error)
    return "none"


def answered(target: Callable[..., None], store: Path, *arguments: Any) -> Any:
    """What a process sends that does something with a store."""
    here, there = CONTEXT.Pipe()
    process = started(target, store, there, *arguments)
    assert here.poll(120)
    said = here.recv()
    process.join()
    return said


def started(target: Callable[..., None], *arguments: Any, **options: Any) -> multiprocessing.process.BaseProcess:
    """A process that does something."""
    process = CONTEXT.Process(target=target, args=arguments, kwargs=options)
    # The process that all others are copied from imports nothing of the tests otherwise, and each copy imports torch.
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        process.start()
    return process
