"""The benchmarks run, so that they cannot rot; what they measure is no test."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(file: str, keyword: str) -> str:
    command = [sys.executable, "-m", "pytest", f"benchmarks/{file}", "-k", keyword, "-q", "-p", "no:cacheprovider"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return result.stdout + result.stderr


def test_the_surface_benchmark_runs_on_a_small_problem():
    output = run("bench_surface.py", "mlp")
    assert "2 passed" in output, output


def test_the_memory_benchmark_runs_on_a_small_model():
    output = run("bench_memory.py", "small")
    assert "1 passed" in output, output
