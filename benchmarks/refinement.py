"""How well a tolerance is kept, and with how many points: surfaces of real networks compared with their full grids.

python -m benchmarks.refinement --truths FOLDER

The full grids are computed once, some hours of work on two cores, and kept in the folder. What a tolerance then
chooses and predicts is computed from them: a network gives the same values again, so nothing is gained by running it.
Beside every run stands the smallest number of points with which the same choice and the same prediction, stopped with
hindsight, would have met the tolerance: no estimate can do better.
"""

from __future__ import annotations

import argparse
import json
import statistics
import textwrap
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
NETWORKS = "mnist-cnn", "resnet20", "vgg13"
SEEDS, REACHES, TOLERANCES = (0, 1, 2, 3, 4), (1.0, 2.4), (0.02, 0.01, 0.005)
SAMPLES, FEWER = 64, {"vgg13": 16}  # of each point
EPOCHS, SIDE, FINE = 3, 51, 481
DRAWS = 3  # repetitions with other random points
HINDSIGHTS = "hindsight", "hindsight_from_fewer"
BLOCK = 8  # points that are evaluated together


@cache
def trained(name: str, seed: int) -> Any:
    """A network that was trained on the digits."""
    data = datasets.load("digits")
    network = models.build(name, seed=seed, **datasets.describe(data)._asdict())
    training.train(network, data, epochs=EPOCHS, seed=seed, progress=False)
    return network


def truth(name: str, seed: int, reach: float, side: int, folder: Path) -> fastscape.Landscape:
    """The full grid, from the folder if it is there."""
    file = _file(folder, name, seed, reach, side)
    if not file.exists():
        axis = (-reach, reach, side)
        data, metrics = datasets.load("digits")[: FEWER.get(name, SAMPLES)], {"accuracy": fastscape.accuracy}
        network = trained(name, seed)
        landscape = fastscape.surface(network, data, x=axis, y=axis, metrics=metrics, seed=seed, progress=False)
        landscape.save(file)
        print(f"{file.name}: {landscape.report['seconds']:.0f} s", flush=True)
    return fastscape.Landscape.load(file)


def _file(folder: Path, name: str, seed: int, reach: float, side: int) -> Path:
    return folder / f"{name}-{seed}-{reach}-{side}.npz"


def refined(landscape: fastscape.Landscape, draw: int = 0) -> list[dict[str, Any]]:
    """What each tolerance evaluates of a full grid, how far its surface is from it, and what hindsight would save.

    What is chosen does not depend on the tolerance, so one refinement shows where each of them stops.

    Args:
        landscape: The full grid.
        draw: Another number draws other points. Default 0, as `fastscape.surface` draws them.

    Returns:
        For each tolerance the share of the points, the true error and what the report says of it.
    """
    seen = _rounds(landscape, draw, first=None)
    sparse = _rounds(landscape, draw, first=np.full((landscape.loss.size, 1), np.nan))
    runs = []
    for tolerance in TOLERANCES:
        last = next((one for one in seen if one["trust"].within(tolerance)), seen[-1])
        runs.append({
            "tolerance": tolerance, "draw": draw, "met": last["met"] or last["trust"].within(tolerance),
            "share": last["points"] / landscape.loss.size, "points": last["points"], "rms": last["rms"],
            "largest": last["largest"], "rounds": last["round"], "seconds": last["seconds"],
            "said": last["trust"]._asdict(), "hindsight": _hindsight(landscape, seen, tolerance),
            "hindsight_from_fewer": _hindsight(landscape, sparse, tolerance),
        })  # fmt: skip
    return runs


def _rounds(landscape: fastscape.Landscape, draw: int, first: np.ndarray | None) -> list[dict[str, Any]]:
    """What is known after each round, until the smallest tolerance is met; `first`, a trend that says nothing, makes
    the first points fewer."""
    values = _values(landscape)
    refinement = Refinement((landscape.x, landscape.y), min(TOLERANCES), size=BLOCK, seed=draw, trend=first)
    found: list[dict[str, Any]] = []
    order, seconds = np.empty(0, dtype=np.int64), 0.0
    while True:
        begun = time.process_time()
        if not len(numbers := refinement.wanted()):
            return found
        refinement.take(numbers, values[numbers])
        refinement.judge()
        seconds += time.process_time() - begun
        order = np.concatenate([order, numbers])
        rms, largest = _errors(refinement, values)
        found.append({
            "round": refinement.rounds, "points": len(order), "order": order, "rms": rms, "largest": largest,
            "trust": refinement.trust, "met": refinement.met, "seconds": seconds,
        })  # fmt: skip


def _values(landscape: fastscape.Landscape) -> np.ndarray:
    return np.stack([landscape.loss.ravel(), *(grid.ravel() for grid in landscape.metrics.values())], 1)


def _errors(refinement: Refinement, values: np.ndarray) -> tuple[float, float]:
    """The true rms and the largest error, as fractions of the range of the heights."""
    filled = refinement.filled(np.where(refinement.known[:, None], values, np.nan))
    found, true = filled[:, 0], values[:, 0]
    if refinement.logarithmic:
        found, true = (logarithms(loss, true[true > 0].min()) for loss in (found, true))
    errors = np.abs(found - true) / (np.ptp(true) or 1.0)
    return float(np.sqrt(np.mean(np.square(errors)))), float(errors.max())


def _hindsight(landscape: fastscape.Landscape, seen: list[dict[str, Any]], tolerance: float) -> int:
    """The smallest number of the points that were chosen, in their order, with which the tolerance is really met."""
    k = next((k for k, one in enumerate(seen) if one["rms"] <= tolerance), len(seen) - 1)
    if not k:
        return int(seen[0]["points"])
    values, order = _values(landscape), seen[k]["order"]
    for points in range(seen[k - 1]["points"] + 1, seen[k]["points"]):
        some = Refinement((landscape.x, landscape.y), tolerance)
        some.take(order[:points], values[order[:points]])
        if _errors(some, values)[0] <= tolerance:
            return points
    return int(seen[k]["points"])


def measured(folder: Path, *, there: bool = False) -> list[dict[str, Any]]:
    """All runs, the very fine grid of the small network among them; `there`: only of grids that the folder has."""
    folder.mkdir(parents=True, exist_ok=True)
    grids = [(*which, SIDE, DRAWS) for which in product(NETWORKS, SEEDS, REACHES)]
    grids.append(("mnist-cnn", 0, 2.4, FINE, 1))
    runs = []
    for name, seed, reach, side, draws in grids:
        if there and not _file(folder, name, seed, reach, side).exists():
            continue
        landscape = truth(name, seed, reach, side, folder)
        facts = {"network": name, "seed": seed, "reach": reach, "side": side}
        for draw in range(draws):
            runs += [facts | run for run in refined(landscape, draw)]
        print(f"{name}, seed {seed}, reach {reach}, {side} x {side}", flush=True)
    return runs


def tables(results: dict[str, Any]) -> str:
    """The runs of every network and tolerance in a row, and all together."""
    runs = results["runs"]
    lines = [
        *textwrap.wrap(f"{results['networks']} Measured {results['date']}.", 100),
        "",
        "| network, grid | tolerance | runs | within it | true rms, median | largest | points, median | range | "
        "with hindsight | points / with hindsight | from 24 points |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, side in dict.fromkeys((run["network"], run["side"]) for run in runs):
        for tolerance in TOLERANCES:
            those = [r for r in runs if (r["network"], r["side"], r["tolerance"]) == (name, side, tolerance)]
            lines.append(_row(f"{name}, {side} x {side}", tolerance, those))
    for tolerance in TOLERANCES:
        those = [run for run in runs if run["tolerance"] == tolerance and run["side"] == SIDE]
        lines.append(_row(f"all, {SIDE} x {SIDE}", tolerance, those))
    ratios = [run["points"] / run["hindsight"] for run in runs]
    wrong = sum(run["rms"] > run["tolerance"] for run in runs)
    lines += [
        "",
        *textwrap.wrap(
            f"Of {len(runs)} runs {wrong} ended with an error above their tolerance ({wrong / len(runs):.1%}). The "
            f"points divided by the points with hindsight: median {statistics.median(ratios):.2f}, mean "
            f"{statistics.mean(ratios):.2f}, 95 of 100 runs at most {float(np.quantile(ratios, 0.95)):.2f}.",
            100,
        ),
    ]
    return "\n".join(lines)


def _row(what: str, tolerance: float, runs: list[dict[str, Any]]) -> str:
    errors, shares = [run["rms"] for run in runs], [run["share"] for run in runs]
    within = sum(error <= tolerance for error in errors)
    hindsight, fewer = (statistics.median(run[which] for run in runs) for which in HINDSIGHTS)
    ratio = statistics.median(run["points"] / run["hindsight"] for run in runs)
    return (
        f"| {what} | {tolerance} | {len(runs)} | {within / len(runs):.0%} | {statistics.median(errors):.4f} | "
        f"{max(errors):.4f} | {statistics.median(shares):{_digits(shares)}} | {min(shares):{_digits(shares)}} to "
        f"{max(shares):{_digits(shares)}} | {hindsight:.0f} | {ratio:.2f} | {fewer:.0f} |"
    )


def _digits(shares: list[float]) -> str:
    """How shares are written: to a tenth of a per cent, small ones to a hundredth."""
    return ".1%" if max(shares) >= 0.01 else ".2%"


def main(arguments: list[str] | None = None) -> None:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refinement", description=__doc__)
    parser.add_argument("--truths", type=Path, required=True, help="a folder for the full grids")
    parser.add_argument("--there", action="store_true", help="only those grids that the folder has")
    options = parser.parse_args(arguments)
    fewer = ", ".join(f"{samples} of {name}" for name, samples in FEWER.items())
    said = (
        f"Networks of the zoo after {EPOCHS} epochs on the digits, {SAMPLES} samples ({fewer}), seeds {SEEDS[0]} "
        f"to {SEEDS[-1]} and reach {' and '.join(map(str, REACHES))} each with {DRAWS} draws of random points; the "
        "finest grid once."
    )
    runs = measured(options.truths, there=options.there)
    results = {"date": date.today().isoformat(), "networks": said, "runs": runs}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    print(tables(results))


def write(results: dict[str, Any], page: Path = PAGE) -> None:
    """Puts the table into the page."""
    put(page, START, STOP, tables(results))


if __name__ == "__main__":
    main()
