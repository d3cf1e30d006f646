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
from torch.utils.flop_counter import FlopCounterMode

import fastscape
from benchmarks.apart import NAMES, OWN, Apart
from benchmarks.problems import PROBLEMS, Problem
from benchmarks.rivals import Directions, Unavailable, directions, ours, version
from fastscape import reference
from fastscape.runs import peak_megabytes

LONG = 60.0  # seconds for the whole grid, from which on a rival walks a coarser one
COARSE = 15
CHECK = 5
FORWARDS = 10  # passes for each limit, after each turn of all
REPORTED = "plan", "plans_measured", "precision_error"


def checked(apart: Apart, name: str, *, tiny: bool) -> dict[str, Any]:
    """The answer: our surface and that of a rival that takes these directions, against the naive loop.

    Args:
        apart: The processes.
        name: Of the problem.
        tiny: Whether to take its tiny size.

    Returns:
        The largest differences as fractions of the range, or why there are none.
    """
    truth = apart.run("naive loop", name, CHECK, tiny=tiny).loss
    found: dict[str, Any] = {}
    for rival in ("fastscape", "loss-landscape-3d"):
        try:
            found[rival] = _difference(apart.run(rival, name, CHECK, tiny=tiny).loss, truth)
        except Unavailable as error:
            found[rival] = str(error)
    return found


def compared(problem: Problem, pair: Directions, loss: np.ndarray) -> float:
    """How far the surface that was timed is from the naive loop, at its corners, edges and centre.

    Args:
        problem: The problem.
        pair: The directions.
        loss: The surface.

    Returns:
        The largest difference, as a fraction of the range.

    Raises:
        AssertionError: When it is no rounding: then there is nothing to be timed.
    """
    places = sorted({0, len(loss) // 2, len(loss) - 1})
    at = np.linspace(-1, 1, len(loss))[places].tolist()
    truth = reference.surface_naive(problem.model, problem.inputs, problem.targets, pair, at, at, loss=problem.loss)
    error = _difference(loss[np.ix_(places, places)], truth)
    if not error < 1e-3:
        raise AssertionError(f"{problem.name}: fastscape is {error:.2g} of the range off the naive loop")
    return error


def _difference(loss: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(loss - truth).max() / (np.ptp(truth) or 1.0))


def measured(apart: Apart, name: str, *, tiny: bool, steps: int, rounds: int) -> dict[str, Any]:
    """Everything about one problem.

    Args:
        apart: The processes of the rivals, which take turns.
        name: Of the problem.
        tiny: Whether to take its tiny size.
        steps: Points along each axis.
        rounds: How often each rival is timed.

    Returns:
        The results, as plain values.
    """
    problem = PROBLEMS[name](tiny)
    answer = checked(apart, name, tiny=tiny)
    rows = {rival: _started(apart, rival, name, tiny=tiny, steps=steps) for rival in NAMES}
    able = {rival: row for rival, row in rows.items() if "error" not in row}
    limits: dict[str, list[dict[str, float | None]]] = {precision: [] for precision in OWN.values()}

    def measure_limits() -> None:
        for precision in OWN.values() if not tiny else ():
            limits[precision].append(apart.limits(name, precision, FORWARDS))

    steps_of = {rival: row["side"] for rival, row in able.items()}
    expected = {rival: row["expected_a_point"] * row["side"] ** 2 for rival, row in able.items()}
    for _ in range(rounds):
        runs = apart.alternate(name, steps_of, expected, tiny=tiny, between=measure_limits)
        for rival, run in runs.items():
            able[rival]["seconds"].append(run.seconds)
            able[rival] |= {what: run.report[what] for what in REPORTED if what in run.report}
        answer["fastscape, as timed"] = compared(problem, directions(problem), runs["fastscape"].loss)
    for row in rows.values():
        if "seconds" in row:
            each = [seconds / row["side"] ** 2 for seconds in row["seconds"]]
            row["seconds_a_point"] = statistics.median(each)
            row["spread"] = (max(each) - min(each)) / statistics.median(each)
    plan = rows["fastscape"]["plan"]
    return {
        "problem": name,
        # A compilation would be watched too.
        "operations": None if plan["compile"] else apart.operations(name, plan, tiny=tiny),
        "parameters": sum(p.numel() for p in problem.model.parameters()),
        "samples": len(problem.inputs),
        "side": steps,
        "flops_a_point": flops(problem),
        "limits": {precision: _medians(found) for precision, found in limits.items()},
        "ceilings": ceilings(tiny=tiny),
        "answer": answer,
        "rows": rows,
    }


def _medians(found: list[dict[str, float | None]]) -> dict[str, float]:
    """The median of each limit that this problem has."""
    each = {name: [limit[name] for limit in found] for name in (found[0] if found else ())}
    return {name: statistics.median(s for s in seconds if s) for name, seconds in each.items() if all(seconds)}


def _started(apart: Apart, rival: str, name: str, *, tiny: bool, steps: int) -> dict[str, Any]:
    """The row of a rival that did once what a process does once, with the grid that it will walk."""
    row: dict[str, Any] = {"version": version(rival)}
    try:
        # The first run does what a process does once; the difference of the others leaves out what a run does once.
        _, small, larger = (apart.run(rival, name, side, tiny=tiny).seconds for side in (2, 2, 4))
        expected = max(larger - small, 0.0) / (4**2 - 2**2)
    except Exception as error:
        return row | {"error": f"{type(error).__name__}: {error}"[:300]}
    own = rival.startswith("fastscape")
    coarse = expected * steps**2 > LONG and not own and steps > COARSE
    return row | {"side": COARSE if coarse else steps, "seconds": [], "expected_a_point": expected}


def flops(problem: Problem) -> int:
    """Floating-point operations of the products and convolutions of one forward pass over all samples."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into torch's fused encoder layer
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            problem.model(problem.inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return counter.get_total_flops()


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
