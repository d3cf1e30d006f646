"""Our time over that of the best plain loop, for problems of random shapes: is there a slow corner?

python -m benchmarks.shapes

A call of `surface`, planning included, against what a researcher would write: directions drawn and filter-normalised,
weights set in place, batches cut from tensors in memory, of the size among 64, 1,000, 10,000 and all that is fastest.
Both in one process and one thread, in turn. It goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import fastscape
from benchmarks.drawn_shapes import Shape, drawn, problem_of
from benchmarks.problems import Problem
from benchmarks.report import put
from fastscape.results import write_whole
from fastscape.runs import environment, peak_megabytes

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "shapes.json"
PAGE = ROOT / "docs" / "benchmarks.md"
START, STOP = "<!-- shapes: made by python -m benchmarks.shapes -->", "<!-- end of shapes -->"
COUNT, BATCHES = 40, (64, 1000, 10_000)
ROUNDS, LONG = 5, 3.0  # turns of each, and the seconds from which on two suffice
SAME = 1e-3  # of the range of a surface
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


class Plain:
    """The loop over a grid, with its own directions.

    Args:
        problem: The problem.
        batch: Samples in a batch.
        pair: Two directions by the names of parameters. Default: they are drawn.
    """

    def __init__(self, problem: Problem, batch: int, pair: list[dict[str, Tensor]] | None = None) -> None:
        self.problem, self.batch = problem, batch
        self.moving = list(problem.model.parameters())
        self.theta = [p.detach().clone() for p in self.moving]
        self.pair = [_direction(problem.model) for _ in range(2)] if pair is None else [list(d.values()) for d in pair]

    @torch.no_grad()
    def point(self, a: float, b: float) -> float:
        """The loss at one point."""
        for p, t, u, v in zip(self.moving, self.theta, *self.pair, strict=True):
            p.copy_(t + a * u + b * v)
        problem, total = self.problem, 0.0
        for k in range(0, len(problem.inputs), self.batch):
            x, y = problem.inputs[k : k + self.batch], problem.targets[k : k + self.batch]
            total += float(problem.loss(problem.model(x), y)) * len(x)
        return total / len(problem.inputs)

    @torch.no_grad()
    def put_back(self) -> None:
        """The model has its own weights again."""
        for p, t in zip(self.moving, self.theta, strict=True):
            p.copy_(t)

    def walk(self, sides: tuple[int, int]) -> np.ndarray:
        """The losses of a grid [x, y]."""
        xs, ys = (np.linspace(-1, 1, n).tolist() for n in sides)
        try:
            return np.array([[self.point(a, b) for b in ys] for a in xs])
        finally:
            self.put_back()


def _direction(model: nn.Module) -> list[Tensor]:
    """A random direction, each filter as long as that of the model."""
    made = []
    for p in model.parameters():
        d = torch.randn_like(p)
        rows, own = (t.flatten(1) if p.dim() > 1 else t[None] for t in (d, p.detach()))
        made.append((rows * (own.norm(dim=1, keepdim=True) / rows.norm(dim=1, keepdim=True))).reshape(p.shape))
    return made


def ours(problem: Problem, sides: tuple[int, int], **options: Any) -> fastscape.Landscape:
    """The surface, as a user calls it."""
    axes: dict[str, Any] = {"x": (-1.0, 1.0, sides[0]), "y": (-1.0, 1.0, sides[1])}
    data = problem.inputs, problem.targets
    return fastscape.surface(problem.model, data, loss=problem.loss, perturb="all", progress=False, **axes, **options)


def best_batch(problem: Problem, clock: Callable[[], float]) -> int:
    """The batch size of the fastest loop, by a few points."""
    seconds = {}
    for batch in sorted({min(size, len(problem.inputs)) for size in (*BATCHES, len(problem.inputs))}):
        loop, times = Plain(problem, batch), []
        for _ in range(3):
            started = clock()
            loop.point(0.1, 0.2)
            times.append(clock() - started)
        loop.put_back()
        seconds[batch] = min(times[1:])
    return min(seconds, key=lambda batch: seconds[batch])


def difference(problem: Problem) -> float:
    """How far our values are from those of a loop along the same directions, as a fraction of their range."""
    pair = [
        {n: d for (n, _), d in zip(problem.model.named_parameters(), _direction(problem.model), strict=True)}
        for _ in range(2)
    ]
    found = ours(problem, (2, 2), directions=pair, normalize="none")
    truth = Plain(problem, len(problem.inputs), pair).walk((2, 2))
    return float(np.abs(found.loss - truth).max() / (np.ptp(truth) or 1.0))


def measured(shape: Shape, rounds: int, clock: Callable[[], float], *, memory: bool) -> dict[str, Any]:
    """Both times of one problem, and both peaks.

    Args:
        shape: Of the problem.
        rounds: How often each is timed.
        clock: Tells seconds.
        memory: Whether to measure the peaks, in a fresh process each.

    Returns:
        The results, as plain values.
    """
    problem = problem_of(shape)
    batch = best_batch(problem, clock)
    times: dict[str, list[float]] = {"ours": [], "loop": []}
    plan: dict[str, Any] = {}
    while len(times["loop"]) < (min(rounds, 2) if min(times["loop"], default=0.0) > LONG else rounds):
        started = clock()
        plan = ours(problem, shape.sides).report["plan"]
        between = clock()
        Plain(problem, batch).walk(shape.sides)
        times["ours"].append(between - started)
        times["loop"].append(clock() - between)
    found = {
        **shape.as_dict(),
        "parameters": sum(p.numel() for p in problem.model.parameters()),
        "tensors": len(list(problem.model.parameters())),
        "batch": batch,
        "plan": plan,
        "seconds": times,
        "ratio": statistics.median(times["ours"]) / statistics.median(times["loop"]),
        "difference": difference(problem),
    }
    if not found["difference"] < SAME:
        raise AssertionError(f"{shape.name}: {found['difference']:.2g} of the range off the plain loop")
    if memory:
        chunk = plan["chunk"] * found["parameters"] * 4 / 1e6
        peaks = {whose: peak(shape, whose, batch) for whose in ("ours", "loop")}
        found |= {"peak_megabytes": peaks, "chunk_megabytes": chunk}
        found["memory_ratio"] = (peaks["ours"] - chunk) / peaks["loop"]
    return found


def peak(shape: Shape, whose: str, batch: int) -> float:
    """Megabytes that a fresh process takes at most, the problem and all libraries included."""
    program = (
        f"from benchmarks import shapes as s; print(s._peak(s.Shape(**{_arguments(shape)!r}), {whose!r}, {batch}))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return float(output.split()[-1])


def _arguments(shape: Shape) -> dict[str, Any]:
    return {name: value for name, value in shape.as_dict().items() if name not in ("name", "points")}


def _peak(shape: Shape, whose: str, batch: int) -> float:
    problem = problem_of(shape)
    if whose == "ours":
        ours(problem, shape.sides)
    else:
        Plain(problem, batch).walk((2, 2))  # what it holds does not grow with the grid
    return peak_megabytes(torch.device("cpu")) or 0.0


def table(results: dict[str, Any]) -> str:
    """One row per problem, the slowest first: Markdown."""
    rows = sorted(results["problems"].values(), key=lambda row: -row["ratio"])
    ratios = [row["ratio"] for row in rows]
    heavy = [row["memory_ratio"] for row in rows if "memory_ratio" in row]
    lines = [
        "## Problems of random shapes",
        "",
        f"{len(rows)} problems, drawn at random. The ratio is the time of fastscape over the time of the",
        "best plain loop: below 1, fastscape is faster. fastscape is timed as a whole call of `surface`,",
        "with planning. The loop sets weights in place, with the fastest of batches of 64, 1,000, 10,000",
        "and all samples.",
        "",
        f"Median ratio {statistics.median(ratios):.2f}, worst {max(ratios):.2f}."
        + (
            f" The peak memory, less one chunk of points, is at most {max(heavy):.2f} times the peak of the loop."
            if heavy
            else ""
        ),
        "",
        "| network | points | samples | weights | tensors | best batch | loop, s | fastscape, s | ratio | peak, MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        seconds = {whose: statistics.median(times) for whose, times in row["seconds"].items()}
        peaks = row.get("peak_megabytes", {})
        shown = f"{peaks['ours']:.0f} / {peaks['loop']:.0f}" if peaks else "-"
        lines.append(
            f"| {row['kind']} | {row['points']:,} | {row['samples']:,} | {row['parameters']:,} | {row['tensors']} | "
            f"{row['batch']:,} | {seconds['loop']:.2f} | {seconds['ours']:.2f} | {row['ratio']:.2f} | {shown} |"
        )
    clock = "processor time" if results["clock"] == "cpu" else "wall clock"
    lines += ["", f"{results['processor']}, one thread, {clock}, {results['date']}; peaks are fastscape / loop."]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> Path:
    """Measures what is not measured yet, and writes results and table; returns the file of the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=["tiny", "full"], default="full", help="tiny problems show that it runs")
    parser.add_argument("--only", nargs="+", type=int, metavar="N", help="numbers of problems, measured anew")
    parser.add_argument("--again", action="store_true", help="measures all anew")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is timed")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: where others share the machine")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True, help="measure peaks too")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file of the results")
    parser.add_argument("--page", type=Path, default=None, help="the page; default: docs/benchmarks.md, if not tiny")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tiny = options.scale == "tiny"
    shapes = drawn(8 if tiny else COUNT, tiny=tiny)
    results = json.loads(options.out.read_text()) if options.out.exists() and not options.again else {}
    known = results.get("problems", {})
    ours(problem_of(drawn(1, tiny=True)[0]), (2, 2))  # what a process does once
    chosen = shapes if options.only is None else [shapes[n] for n in options.only]
    for shape in chosen:
        if shape.name in known and options.only is None:
            continue
        row = measured(shape, options.rounds, CLOCKS[options.clock], memory=options.memory)
        known[shape.name] = row
        print(
            f"{shapes.index(shape):3d} {shape.name:<44}{row['ratio']:6.2f}{min(row['seconds']['loop']):8.2f} s "
            f"{row['plan']['batching']} {row['plan']['microbatch']}, {row.get('memory_ratio', 0):.2f}",
            flush=True,
        )
        results = {
            **environment(torch.device("cpu")), "processor": processor(), "clock": options.clock,
            "date": date.today().isoformat(), "scale": options.scale, "problems": known,
        }  # fmt: skip
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    page = options.page or (None if tiny else PAGE)
    if page is not None:
        put(page, START, STOP, table(results))
    return options.out


def processor() -> str:
    """What the processor is called."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
