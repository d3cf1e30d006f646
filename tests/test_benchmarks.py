"""The benchmarks run, so that they cannot rot; what they measure is no test."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_surface_benchmark_runs_on_a_small_problem():
    command = [
        sys.executable,
        "-m",
        "pytest",
        "benchmarks/bench_surface.py",
        "-k",
        "mlp",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert "2 passed" in result.stdout, result.stdout + result.stderr
