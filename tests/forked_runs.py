"""A landscape in a process that was forked, and in one that was spawned, while a thread of the first computes one."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import fastscape
from fastscape import Plan


def surface(**options: Any) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    data = torch.randn(512, 20, generator=generator), torch.randint(3, (512,), generator=generator)
    grid = {"x": (-1, 1, 3), "y": (-1, 1, 2), "train_mode": True, "progress": False}
    return fastscape.surface(model, data, **{"plan": Plan("loop", 2), **grid, **options}).loss


def spawned(alone: np.ndarray) -> None:
    assert np.allclose(surface(), alone, rtol=1e-6)


def forked(alone: np.ndarray, folder: Path) -> None:
    faulthandler.dump_traceback_later(60, exit=True)
    threads = torch.get_num_threads()
    assert np.allclose(surface(), alone, rtol=1e-6)
    workers = surface(plan=Plan("loop", 2, workers=2), train_mode=False)
    assert np.allclose(workers, surface(train_mode=False, store=folder / "run.zarr"), rtol=1e-6)
    assert torch.get_num_threads() == threads > 1


def main(folder: Path) -> None:
    torch.set_num_threads(2)  # so that there are threads which a child does not have
    alone = surface()
    surface(plan=Plan("loop", 2, workers=2), train_mode=False)
    inside, go_on = threading.Event(), threading.Event()

    def waits(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        inside.set()
        go_on.wait()
        return nn.functional.cross_entropy(outputs, targets)

    other = threading.Thread(target=lambda: surface(loss=waits))
    other.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        forked(alone, folder)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the forked process has failed"
    process = multiprocessing.get_context("spawn").Process(target=spawned, args=(alone,))
    process.start()
    process.join()
    assert process.exitcode == 0, "the spawned process has failed"
    go_on.set()
    other.join()

    inside.clear()

    def forks(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if not inside.is_set():  # in a run of this thread, which so has the turn in the child too
            inside.set()
            child = os.fork()
            if child == 0:
                faulthandler.dump_traceback_later(60, exit=True)
                assert np.allclose(surface(), alone, rtol=1e-6)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0, "the process that was forked in a run has failed"
        return nn.functional.cross_entropy(outputs, targets)

    assert np.allclose(surface(loss=forks), alone, rtol=1e-6)
    print("all are right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
