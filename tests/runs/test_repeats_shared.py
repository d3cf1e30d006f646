"""Several processes share the repeats of random directions as they share points."""

import sys

import numpy as np
import pytest

import stored_runs
from fastscape import Landscape
from processes import one_thread, several


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo")
def test_every_process_gets_what_one_computes(tmp_path):
    with one_thread():
        whole = stored_runs.surface(None, **stored_runs.REPEATS)
    done = several(tmp_path, "repeats", 2)
    assert done.returncodes == [0, 0], done.stderr
    points = [int((tmp_path / f"points-{rank}").read_text()) for rank in range(2)]
    assert sum(points) == whole.repeats["loss"].size
    for rank in range(2):
        assert np.load(tmp_path / f"repeats-{rank}.npy").tobytes() == whole.repeats["loss"].tobytes()
        assert np.load(tmp_path / f"loss-{rank}.npy").tobytes() == whole.loss.tobytes()
    assert Landscape.load(tmp_path / "run.zarr").repeats["loss"].tobytes() == whole.repeats["loss"].tobytes()
