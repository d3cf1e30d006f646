"""What the processes of torchrun do in the tests of landscapes that several processes compute."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import stored_runs
import torch
from torch import Tensor

from fastscape.engine import Engine

GRID = {"x": (-1, 1, 12), "y": (-1, 1, 12)}


MOST = 120  # of 144 points


def wait_for_the_other(evaluated: Path) -> None:
    """Waits until the other process has evaluated most points, or shows in a minute that it does not."""
    ended = time.monotonic() + 60
    while time.monotonic() < ended and (not evaluated.exists() or int(evaluated.read_text() or 0) < MOST):
        time.sleep(0.01)


def main(folder: Path, doing: str) -> None:
    """Computes the landscape that all tests know, and writes it."""
    torch.set_num_threads(1)
    rank, attempt = int(os.environ["RANK"]), os.environ["TORCHELASTIC_RESTART_COUNT"]
    store = folder / "run.zarr" if doing in ("store", "dying") else None
    sums, points = Engine.sums, [0]

    def counted(self: Engine, chunk: Tensor) -> Tensor:
        points[0] += len(chunk)
        if doing == "dying" and rank == 1 and attempt == "0" and points[0] > 20:
            os.kill(os.getpid(), signal.SIGKILL)
        if doing == "slow" and rank == 0:
            wait_for_the_other(folder / "evaluated")
        made = sums(self, chunk)
        if doing == "slow" and rank == 1:
            (folder / "evaluated").write_text(str(points[0]))
        return made

    Engine.sums = counted
    if doing == "group":
        torch.distributed.init_process_group("gloo")
    if doing == "stream":
        landscape = stored_runs.surface(None, stream=7)
    elif doing == "both":
        landscape = stored_runs.surface(folder / "run.zarr", stream=7)
    elif doing == "other":
        landscape = stored_runs.surface(None, seed=rank)
    else:
        landscape = stored_runs.surface(store)
        if doing != "slow":  # a second call of the same processes
            assert np.array_equal(stored_runs.surface(None).loss, landscape.loss)
    np.save(folder / f"loss-{rank}.npy", landscape.loss)
    np.save(folder / f"error-{rank}.npy", landscape.standard_error)
    (folder / f"points-{rank}").write_text(str(points[0]))
    if doing == "group":
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
