"""Many samples, few of them everywhere: what a surface within a tolerance costs, and how far it is from the exact one.

python -m benchmarks.levels --truths FOLDER

Small networks on 50,000 noisy digits. The full grids, on all samples, are computed once and kept in the folder. A
surface is computed twice within the tolerance: with a draw of the samples at most of the points, as by default, and
with all samples at every chosen point. Evaluations of samples are counted by the reports, and seconds are those of the
processor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import textwrap
import time
from collections.abc import Mapping
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import fastscape
from benchmarks.report import put
from fastscape.zoo import datasets

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "levels.json"
PAGE = ROOT / "docs" / "tolerance.md"
START, STOP = "<!-- levels: made by python -m benchmarks.levels -->", "<!-- end of levels -->"
# Widths of the hidden layers, and how far the axes go: a smooth surface and two with much to see.
NETWORKS: dict[str, tuple[tuple[int, ...], float]] = {
    "one layer of 32": ((32,), 1.0),
    "8 layers of 16": ((16,) * 8, 3.0),
    "10 layers of 16": ((16,) * 10, 2.4),
}
SAMPLES, SIDE, EPOCHS, SEEDS, TOLERANCE = 50_000, 51, 3, (0,), 0.005
NOISE, POOL, RATE, BATCH = 0.25, 4, 3e-3, 256
PLAN = fastscape.Plan("vmap", chunk=64, microbatch=1024)


@cache
def problem(name: str, seed: int) -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    """A network that was trained on the samples, and the samples."""
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = datasets.load("digits")[:]
    inputs = F.avg_pool2d(inputs, POOL)
    which = torch.randint(len(inputs), (SAMPLES,), generator=generator)
    noise = NOISE * inputs.std() * torch.randn(SAMPLES, inputs[0].numel(), generator=generator)
    inputs, targets = inputs[which].flatten(1) + noise, targets[which]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [inputs.shape[1], *NETWORKS[name][0]]
        hidden = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
        network = nn.Sequential(*hidden, nn.Linear(widths[-1], int(targets.max()) + 1))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(SAMPLES, generator=generator).split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs[batch]), targets[batch]).backward()
            optimizer.step()
    return network, (inputs, targets)


def surface(name: str, seed: int, **options: Any) -> tuple[fastscape.Landscape, float]:
    """A surface, and the seconds of the processor that it took."""
    network, data = problem(name, seed)
    reach = NETWORKS[name][1]
    axis = (-reach, reach, SIDE)
    begun = time.process_time()
    found = fastscape.surface(network, data, x=axis, y=axis, seed=seed, plan=PLAN, progress=False, **options)
    return found, time.process_time() - begun


def truth(name: str, seed: int, folder: Path) -> fastscape.Landscape:
    """The full grid on all samples, from the folder if it is there."""
    file = folder / f"{name.replace(' ', '-')}-{seed}-{SAMPLES}-{SIDE}.npz"
    if not file.exists():
        surface(name, seed)[0].save(file)
    return fastscape.Landscape.load(file)


def error(found: fastscape.Landscape, true: fastscape.Landscape) -> float:
    """Root mean square of the difference, as a fraction of the range of log10 of the loss."""
    heights, truths = np.log10(found.loss), np.log10(true.loss)
    return float(np.sqrt(np.square(heights - truths).mean()) / np.ptp(truths))


def compared(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """Both ways to a surface, and how far each is from the full grid."""
    true = truth(name, seed, folder)
    drawn, seconds = surface(name, seed, tolerance=TOLERANCE)
    whole, seconds_whole = surface(name, seed, tolerance=TOLERANCE, draw_samples=0)
    found = drawn.report["refinement"]
    return {
        "network": name, "seed": seed, "levels": found["levels"], "met": found["met"], "rms": error(drawn, true),
        "estimated": found["rms"], "sample_evaluations": found["sample_evaluations"],
        "all_samples_everywhere": found["all_samples_everywhere"], "seconds": seconds,
        "without": {
            "points": int(whole.evaluated.sum()), "rms": error(whole, true), "seconds": seconds_whole,
            "sample_evaluations": int(whole.evaluated.sum()) * SAMPLES,
        },
    }  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """The runs, a row each, and the medians of each network of which there are several."""
    lines = [
        *textwrap.wrap(f"{results['what']} Measured {results['date']}.", 100),
        "",
        "| network, seed | points on the draw | points on all samples | true rms | cheaper than all samples at all "
        "chosen points | cheaper than `draw_samples=0`, in samples | the same in processor time |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(f"{run['network']}, {run['seed']}", [run]) for run in results["runs"]]
    names = dict.fromkeys(run["network"] for run in results["runs"])
    for name in names if len(results["runs"]) > len(names) else ():
        lines.append(_row(f"{name}, median", [run for run in results["runs"] if run["network"] == name]))
    return "\n".join(lines)


def _row(what: str, runs: list[dict[str, Any]]) -> str:
    def middle(values: list[float], form: str) -> str:
        return format(statistics.median(values), form)

    points = [middle([run["levels"][k]["points"] for run in runs], "g") for k in (0, 1)]
    ratios = [
        [run["all_samples_everywhere"] / run["sample_evaluations"] for run in runs],
        [run["without"]["sample_evaluations"] / run["sample_evaluations"] for run in runs],
        [run["without"]["seconds"] / run["seconds"] for run in runs],
    ]
    shown = [f"{middle(ratio, '.1f')} x" for ratio in ratios]
    rms = middle([run["rms"] for run in runs], ".4f")
    return f"| {what} | {points[0]} | {points[1]} | {rms} | {' | '.join(shown)} |"


def main(arguments: list[str] | None = None) -> None:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.levels", description=__doc__)
    parser.add_argument("--truths", type=Path, required=True, help="a folder for the full grids")
    options = parser.parse_args(arguments)
    options.truths.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    runs = []
    for name in NETWORKS:
        for seed in SEEDS:
            runs.append(compared(name, seed, options.truths))
            print(json.dumps(runs[-1]), flush=True)
    draw = runs[0]["levels"][0]["samples"]
    said = (
        f"Networks of linear layers and ReLU after {EPOCHS} epochs on {SAMPLES:,} digits of 7 x 7 with noise; "
        f"{SIDE} x {SIDE} points, tolerance {TOLERANCE}, a draw of {draw:,} samples, one thread."
    )
    results = {"date": date.today().isoformat(), "what": said, "runs": runs}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    print(table(results))


def write(results: Mapping[str, Any], page: Path = PAGE) -> None:
    """Puts the table into the page."""
    put(page, START, STOP, table(results))


if __name__ == "__main__":
    main()
