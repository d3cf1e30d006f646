"""Measures one problem: the answer first, then the time, alternating, then the peak memory in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import fastscape
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.rivals import RIVALS, Directions, Unavailable, directions, naive, version
from fastscape import reference
from fastscape.trust import peak_megabytes

LONG = 60.0  # seconds for the whole grid, from which on a rival walks a coarser one
COARSE = 15
CHECK = 5


def ours(problem: Problem, pair: Directions, steps: int, precision: str = "float32") -> fastscape.Landscape:
    """The whole surface, planning and compilation included."""
    axis = (-1.0, 1.0, steps)
    data = problem.inputs, problem.targets
    options: dict[str, Any] = {"loss": problem.loss, "x": axis, "y": axis, "precision": precision, "progress": False}
    return fastscape.surface(problem.model, data, directions=pair, **options)


def checked(problem: Problem, pair: Directions) -> dict[str, Any]:
    """The answer: our surface and that of a rival that takes these directions, against the naive loop."""
    truth = naive(problem, pair, CHECK)
    scale = np.ptp(truth) or 1.0
    found: dict[str, Any] = {}
    for name in ("fastscape", "loss-landscape-3d"):
        try:
            run = RIVALS.get(name)
            grid = run(problem, pair, CHECK) if run else ours(problem, pair, CHECK).loss
            found[name] = float(np.abs(grid - truth).max() / scale)
        except Unavailable as error:
            found[name] = str(error)
    return found


def compared(problem: Problem, pair: Directions, landscape: fastscape.Landscape) -> float:
    """How far the surface that was timed is from the naive loop, at its corners, edges and centre.

    Args:
        problem: The problem.
        pair: The directions.
        landscape: The surface.

    Returns:
        The largest difference, as a fraction of the range.

    Raises:
        AssertionError: When it is no rounding: then there is nothing to be timed.
    """
    places = sorted({0, len(landscape.x) // 2, len(landscape.x) - 1})
    x, y = landscape.x[places].tolist(), landscape.y[places].tolist()
    truth = reference.surface_naive(problem.model, problem.inputs, problem.targets, pair, x, y, loss=problem.loss)
    error = float(np.abs(landscape.loss[np.ix_(places, places)] - truth).max() / (np.ptp(truth) or 1.0))
    if not error < 1e-3:
        raise AssertionError(f"{problem.name}: fastscape is {error:.2g} of the range off the naive loop")
    return error


def measured(name: str, *, tiny: bool, steps: int, rounds: int) -> dict[str, Any]:
    """Everything about one problem.

    Args:
        name: Of the problem.
        tiny: Whether to take its tiny size.
        steps: Points along each axis.
        rounds: How often each rival is timed, in turns.

    Returns:
        The results, as plain values.
    """
    problem = PROBLEMS[name](tiny)
    pair = directions(problem)
    runs: dict[str, Callable[[int], Any]] = {"fastscape": lambda n: ours(problem, pair, n)}
    runs["fastscape bfloat16"] = lambda n: ours(problem, pair, n, "bfloat16")
    for rival, run in RIVALS.items():
        runs[rival] = lambda n, run=run: run(problem, pair, n)
    answer = checked(problem, pair)
    rows: dict[str, dict[str, Any]] = {}
    for rival, run in runs.items():
        rows[rival] = {"version": version(rival)}
        started = time.perf_counter()
        try:
            run(2)  # what a process does once
            started = time.perf_counter()
            run(2)
        except Exception as error:
            rows[rival]["error"] = f"{type(error).__name__}: {error}"[:300]
            continue
        expected = (time.perf_counter() - started) / 4 * steps**2
        own = rival.startswith("fastscape")
        rows[rival]["side"] = COARSE if expected > LONG and not own and steps > COARSE else steps
        rows[rival]["seconds"] = []
    for _ in range(rounds):
        for rival, row in rows.items():
            if "error" in row:
                continue
            started = time.perf_counter()
            result = runs[rival](row["side"])
            row["seconds"].append(time.perf_counter() - started)
            if isinstance(result, fastscape.Landscape):
                row["plan"], row["plans_measured"] = result.report["plan"], result.report["plans_measured"]
                row["precision_error"] = result.report["precision_error"]
                if rival == "fastscape":
                    answer["fastscape, as timed"] = compared(problem, pair, result)
    for row in rows.values():
        if "seconds" in row:
            each = [seconds / row["side"] ** 2 for seconds in row["seconds"]]
            row["seconds_a_point"] = statistics.median(each)
            row["spread"] = (max(each) - min(each)) / statistics.median(each)
    return {
        "problem": name,
        "parameters": sum(p.numel() for p in problem.model.parameters()),
        "samples": len(problem.inputs),
        "side": steps,
        "answer": answer,
        "rows": rows,
    }


def peak_memory(name: str, *, tiny: bool, low_memory: bool = False) -> float:
    """Megabytes that a surface of 3 x 3 points needs at most in a fresh process, beyond what the problem takes."""
    program = (
        "import sys; from benchmarks.measure import _peak; "
        f"print(_peak({name!r}, tiny={tiny}, low_memory={low_memory}))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return float(output.split()[-1])


def _peak(name: str, *, tiny: bool, low_memory: bool) -> float:
    problem = PROBLEMS[name](tiny)
    small = PROBLEMS["mlp"](True)
    ours(small, directions(small), 2)
    before = peak_megabytes(torch.device("cpu")) or 0.0
    data = problem.inputs, problem.targets
    axis = (-1.0, 1.0, 3)
    fastscape.surface(problem.model, data, loss=problem.loss, x=axis, y=axis, low_memory=low_memory, progress=False)
    return (peak_megabytes(torch.device("cpu")) or 0.0) - before


def ceilings(*, tiny: bool) -> dict[str, float]:
    """What the machine can do: GFLOP/s of products and convolutions, GB/s of a copy and of the interpolation."""
    n = 256 if tiny else 2048
    a, b = torch.rand(n, n), torch.rand(n, n)
    image, weight = torch.rand(4 if tiny else 64, 128, 14, 14), torch.rand(128, 128, 3, 3)
    big = torch.rand(1 << (18 if tiny else 25))
    basis = torch.rand(3, len(big) // 2)
    points = torch.empty(8, basis.shape[1])
    segments = fastscape.kernels.Segments.single(basis.shape[1])
    c = torch.rand(8, 1, 3)
    moved = basis.numel() * 4 + points.numel() * 4
    return {
        "product GFLOP/s": 2 * n**3 / _seconds(lambda: a @ b) / 1e9,
        "convolution GFLOP/s": 2 * image.shape[0] * 14 * 14 * 128 * 128 * 9
        / _seconds(lambda: F.conv2d(image, weight, padding=1)) / 1e9,
        "copy GB/s": 8 * len(big) / _seconds(lambda: big.clone()) / 1e9,
        "interpolate GB/s": moved
        / _seconds(lambda: fastscape.kernels.interpolate(basis, c, segments, out=points)) / 1e9,
    }  # fmt: skip


def _seconds(run: Callable[[], Any]) -> float:
    run()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)
