"""A model that fills the memory that its process may take has a surface: the system's limit is the judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA as Linux has it")

LARGE = os.environ.get("FASTSCAPE_LARGE_MODEL")  # set by `make memory`: some minutes, and 4 GB for the ordinary run
SIZES = [(24e6, 165e6)] + ([(300e6, 1.6e9)] if LARGE else [])  # parameters in float32, bytes beyond importing torch


def run(parameters: float, beyond: float, way: str) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "limited_memory.py"), str(parameters), str(beyond), way]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=HERE)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


@pytest.mark.parametrize(("parameters", "beyond"), SIZES, ids=lambda number: f"{number / 1e6:.0f}")
def test_a_surface_where_a_second_copy_has_no_room(parameters, beyond):
    assert 4 * parameters < beyond < 2 * 4 * parameters
    found = run(parameters, beyond, "disk")
    assert found["as it was"] == [True, True, True], found  # after the surface, an error, and Ctrl-C
    assert found["parameters"] == pytest.approx(parameters, rel=0.1)
    wanted = run(parameters, 0, "copy")
    np.testing.assert_allclose(found["loss"], wanted["loss"], rtol=1e-5)
    assert np.ptp(wanted["loss"]) > 1e-3
    assert "loss" not in run(parameters, beyond, "device")  # so the limit is one
