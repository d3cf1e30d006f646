"""How well a tolerance is kept, and with how many points: surfaces of real networks compared with their full grids.

python -m benchmarks.refinement --truths FOLDER

The full grids are computed once, more than an hour of work on two cores, and kept in the folder. What a tolerance then
chooses and predicts is computed from them: a network gives the same values again, so nothing is gained by running it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import date
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import fastscape
from benchmarks.report import put
from fastscape.results import logarithms
from fastscape.sampling.adaptive import Refinement
from fastscape.zoo import datasets, models, training

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "refinement.json"
PAGE = ROOT / "docs" / "tolerance.md"
START, STOP = "<!-- runs: made by python -m benchmarks.refinement -->", "<!-- end of runs -->"
NETWORKS = "mnist-cnn", "resnet20", "resnet20-noshort", "vgg13"
SEEDS, REACHES, TOLERANCES = (0, 1, 2), (1.0, 2.4), (0.02, 0.01, 0.005)
SAMPLES, EPOCHS, SIDE, FINE = 64, 3, 51, 481
DRAWS = 5  # repetitions with other random points
CHUNK = 16  # points that are evaluated together


@cache
def trained(name: str, seed: int) -> Any:
    """A network that was trained on the digits."""
    data = datasets.load("digits")
    network = models.build(name, seed=seed, **datasets.describe(data)._asdict())
    training.train(network, data, epochs=EPOCHS, seed=seed, progress=False)
    return network


def truth(name: str, seed: int, reach: float, side: int, folder: Path) -> fastscape.Landscape:
    """The full grid, from the folder if it is there."""
    file = folder / f"{name}-{seed}-{reach}-{side}.npz"
    if not file.exists():
        axis = (-reach, reach, side)
        data, metrics = datasets.load("digits")[:SAMPLES], {"accuracy": fastscape.accuracy}
        network = trained(name, seed)
        landscape = fastscape.surface(network, data, x=axis, y=axis, metrics=metrics, seed=seed, progress=False)
        landscape.save(file)
        print(f"{file.name}: {landscape.report['seconds']:.0f} s", flush=True)
    return fastscape.Landscape.load(file)


def refined(landscape: fastscape.Landscape, tolerance: float, draw: int = 0) -> dict[str, Any]:
    """What a tolerance evaluates of a full grid, and how far its surface is from it.

    Args:
        landscape: The full grid.
        tolerance: As in `fastscape.surface`.
        draw: Another number draws other points. Default 0, as `fastscape.surface` draws them.

    Returns:
        The share of the points, the true error and what the report says of it.
    """
    begun = time.perf_counter()
    values = np.stack([landscape.loss.ravel(), *(grid.ravel() for grid in landscape.metrics.values())], 1)
    refinement = Refinement(landscape.x, landscape.y, tolerance, size=CHUNK, seed=draw)
    while len(numbers := refinement.wanted()):
        refinement.take(numbers, values[numbers])
        refinement.judge()
    filled = refinement.filled(np.where(refinement.known[:, None], values, np.nan))
    seconds = time.perf_counter() - begun
    found, true = filled[:, 0], values[:, 0]
    if refinement.logarithmic:
        found, true = (logarithms(loss, true[true > 0].min()) for loss in (found, true))
    errors = np.abs(found - true) / (np.ptp(true) or 1.0)
    return {
        "tolerance": tolerance, "draw": draw, "met": refinement.met, "share": float(refinement.known.mean()),
        "rms": float(np.sqrt(np.mean(np.square(errors)))), "largest": float(errors.max()), "seconds": seconds,
        "said": refinement.trusts[-1]._asdict() if refinement.trusts else None, "rounds": refinement.rounds,
    }  # fmt: skip


def measured(folder: Path) -> list[dict[str, Any]]:
    """All runs, the very fine grid of the small network among them."""
    folder.mkdir(parents=True, exist_ok=True)
    grids = [(*which, SIDE, DRAWS) for which in product(NETWORKS, SEEDS, REACHES)]
    grids.append(("mnist-cnn", 0, 2.4, FINE, 1))
    runs = []
    for name, seed, reach, side, draws in grids:
        landscape = truth(name, seed, reach, side, folder)
        facts = {"network": name, "seed": seed, "reach": reach, "side": side}
        for tolerance, draw in product(TOLERANCES, range(draws)):
            runs.append(facts | refined(landscape, tolerance, draw))
        print(f"{name}, seed {seed}, reach {reach}, {side} x {side}", flush=True)
    return runs


def tables(results: dict[str, Any]) -> str:
    """The runs of every network and tolerance in a row, and all together."""
    runs = results["runs"]
    lines = [
        f"{results['networks']} Measured {results['date']}.",
        "",
        "| network, grid | tolerance | runs | within it | true rms, median | largest | points, median | range |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, side in dict.fromkeys((run["network"], run["side"]) for run in runs):
        for tolerance in TOLERANCES:
            those = [r for r in runs if (r["network"], r["side"], r["tolerance"]) == (name, side, tolerance)]
            lines.append(_row(f"{name}, {side} x {side}", tolerance, those))
    for tolerance in TOLERANCES:
        those = [run for run in runs if run["tolerance"] == tolerance and run["side"] == SIDE]
        lines.append(_row(f"all, {SIDE} x {SIDE}", tolerance, those))
    return "\n".join(lines)


def _row(what: str, tolerance: float, runs: list[dict[str, Any]]) -> str:
    errors, shares = [run["rms"] for run in runs], [run["share"] for run in runs]
    within = sum(error <= tolerance for error in errors)
    return (
        f"| {what} | {tolerance} | {len(runs)} | {within / len(runs):.0%} | {statistics.median(errors):.4f} | "
        f"{max(errors):.4f} | {statistics.median(shares):.1%} | {min(shares):.1%} to {max(shares):.1%} |"
    )


def main(arguments: list[str] | None = None) -> None:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinement", description=__doc__)
    parser.add_argument("--truths", type=Path, required=True, help="a folder for the full grids")
    options = parser.parse_args(arguments)
    said = (
        f"Networks of the zoo after {EPOCHS} epochs on the digits, {SAMPLES} samples, seeds {SEEDS[0]} to {SEEDS[-1]} "
        f"and reach {' and '.join(map(str, REACHES))} each with {DRAWS} draws of random points; the finest grid once."
    )
    results = {"date": date.today().isoformat(), "networks": said, "runs": measured(options.truths)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    print(tables(results))


def write(results: dict[str, Any], page: Path = PAGE) -> None:
    """Puts the table into the page."""
    put(page, START, STOP, tables(results))


if __name__ == "__main__":
    main()
