"""What the processes do in the tests of landscapes that several processes compute."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor

import fastscape
import stored_runs
from fastscape.engine import Engine

MOST = 120  # of 144 points
SHORT = 1.5  # seconds until a process is given up


def wait_for_the_other(evaluated: Path, points: int) -> None:
    """Waits until the other process has evaluated that many points, or shows in a minute that it does not."""
    ended = time.monotonic() + 60
    while time.monotonic() < ended and (not evaluated.exists() or int(evaluated.read_text() or 0) < points):
        time.sleep(0.01)


def main(folder: Path, doing: str, *, again: bool = False) -> None:
    """Computes the landscape that all tests know, and writes it.

    Args:
        folder: Where to.
        doing: In which way.
        again: Whether this is a second attempt, in which no process dies.
    """
    torch.set_num_threads(1)
    folder.mkdir(exist_ok=True)
    rank = int(os.environ["RANK"])
    sums, points = Engine.sums, [0]
    # Processes take the next block when they are free: rank 0 waits, or it could be done before rank 1 has begun.
    awaited = {"slow": MOST, "dying": 20, "dead": 20, "dead in parts": 20, "long": 1}.get(doing, 0)
    awaited = awaited if rank == 0 and not again else 0
    dies_after = {"dying": 20, "both": 100, "dead": 20, "dead in parts": 100}.get(doing)
    dies_after = dies_after if rank == 1 and not again else None

    def counted(self: Engine, chunk: Tensor) -> Tensor:
        points[0] += len(chunk)
        if awaited:
            wait_for_the_other(folder / "evaluated", awaited)
        made = sums(self, chunk)
        if rank == 1:
            (folder / "evaluated").write_text(str(points[0]))
            if doing == "long" and points[0] == stored_runs.CHUNK:
                time.sleep(4 * SHORT)
        if dies_after is not None and points[0] > dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    with mock.patch.object(Engine, "sums", counted):
        landscape = computed(folder, doing, rank)
    np.save(folder / f"loss-{rank}.npy", landscape.loss)
    np.save(folder / f"error-{rank}.npy", landscape.standard_error)
    np.save(folder / f"values-{rank}.npy", np.stack([*landscape.values.values()]))
    if doing in ("refine", "levels"):
        (folder / f"refinement-{rank}").write_text(json.dumps(landscape.report["refinement"]))
    (folder / f"points-{rank}").write_text(str(points[0]))


def computed(folder: Path, doing: str, rank: int) -> fastscape.Landscape:
    """The landscape that all tests know, computed in some way."""
    store = folder / "run.zarr" if doing in ("store", "dying", "both") else None
    if doing == "group":
        torch.distributed.init_process_group("gloo")
    if doing in ("absent", "dead", "dead in parts", "long"):
        return of_patience(folder / "run.zarr", doing, rank)
    if doing == "doubled":
        return stored_runs.surface(folder / "run.zarr", loss=doubled)
    if doing == "sets":
        return stored_runs.of_sets(folder / "run.zarr")
    if doing == "stream":
        return stored_runs.surface(None, stream_samples=7)
    if doing == "derivatives":
        landscape = stored_runs.surface(folder / "run.zarr", curvature="plane")
        np.save(folder / f"bend-{rank}.npy", landscape.metrics["d2L_dxdy"])
        return landscape
    if doing == "eigenvalues":
        landscape = stored_runs.surface(folder / "run.zarr", curvature="ratio")
        np.save(folder / f"lambda-{rank}.npy", landscape.metrics["lambda_max"])
        return landscape
    if doing == "refine":
        return stored_runs.surface(None, x=(-1, 1, 24), y=(-1, 1, 24), tolerance=0.01)
    if doing == "repeats":
        landscape = stored_runs.surface(folder / "run.zarr", **stored_runs.REPEATS)
        np.save(folder / f"repeats-{rank}.npy", landscape.repeats["loss"])
        return landscape
    if doing == "volume":
        return stored_runs.volume(folder / "run.zarr")
    if doing == "levels":
        return stored_runs.surface(folder / "run.zarr", **stored_runs.LEVELS)
    if doing == "both":
        return stored_runs.surface(store, stream_samples=7)
    if doing == "enough":
        coarse = {"target_standard_error": stored_runs.COARSE, **stored_runs.PARTS}
        landscape = stored_runs.surface(None, **coarse)
        assert np.array_equal(stored_runs.surface(folder / "run.zarr", **coarse).loss, landscape.loss)
        return landscape
    if doing == "targets":
        return stored_runs.surface(None, target_standard_error=0.1 + 0.1 * rank, **stored_runs.PARTS)
    if doing == "other":
        return stored_runs.surface(None, seed=rank)
    landscape = stored_runs.surface(store)
    if doing != "slow":  # a second call of the same processes
        assert np.array_equal(stored_runs.surface(None).loss, landscape.loss)
    if doing == "group":
        torch.distributed.destroy_process_group()
    return landscape


def of_patience(store: Path, doing: str, rank: int) -> fastscape.Landscape:
    """The landscape, where a process that does not show itself is given up soon."""
    if doing == "absent":
        torch.distributed.init_process_group("gloo")
        if rank == 1:
            raise SystemExit
    parts = 7 if doing == "dead in parts" else None
    return stored_runs.surface(store, stream_samples=parts, timeout=SHORT)


def doubled(outputs: Tensor, targets: Tensor) -> Tensor:
    """Another loss than it seems."""
    return 2 * torch.nn.functional.cross_entropy(outputs, targets, reduction="none")


doubled.__module__, doubled.__qualname__ = "torch.nn.functional", "cross_entropy"


if __name__ == "__main__":
    # Of several things the first is done in two attempts, the next in the second and the third, and so on.
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    for number, name in enumerate(sys.argv[2:]):
        if attempt <= number + 1:
            main(Path(sys.argv[1]) / name, name, again=attempt > number)
