"""How many random directions are enough: how far the mean over a few of them is from that over all.

python -m benchmarks.repeats

Small networks on the digits, with 256 directions each. At every radius the rise of the loss over that at the model is
compared: single directions with their mean, and the means of disjoint groups of them with that of all. The rise is the
mean over both sides of the model, in which its slope cancels; how far directions differ on one side stands beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import textwrap
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fastscape
from benchmarks.report import put
from fastscape.zoo import datasets, models, training

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "repeats.json"
PAGE = ROOT / "docs" / "curvature.md"
START, STOP = "<!-- repeats: made by python -m benchmarks.repeats -->", "<!-- end of repeats -->"
NETWORKS = {"mlp": 10, "mnist-cnn": 10}  # epochs
RADII = [0.1, 0.25, 0.5, 1.0]
REPEATS, SAMPLES, RATE = 256, 256, 1e-3
GROUPS = [1, 2, 4, 8, 16, 32, 64]  # directions of a mean
TARGETS = [0.1, 0.05]  # of the mean rise


def trained(name: str) -> tuple[Any, Any]:
    """A network of the zoo after its epochs, and samples that it was trained on."""
    train_set = datasets.load("digits")
    network = models.build(name, seed=0, **datasets.describe(train_set)._asdict())
    training.train(network, train_set, epochs=NETWORKS[name], lr=RATE, seed=0)
    return network, train_set[:SAMPLES]


def measured(name: str) -> dict[str, Any]:
    """The rise of the loss along every direction, and what the means over some of them miss."""
    network, data = trained(name)
    found = fastscape.line(
        network, data, scheme="plane", x=[*(-r for r in RADII[::-1]), 0.0, *RADII], repeats=REPEATS, progress=False
    )
    at = len(RADII)
    stack = found.repeats["loss"] - found.loss[at]  # of every direction the same there
    right, left = stack[:, at + 1 :], stack[:, at - 1 :: -1]
    return {
        "network": name, "parameters": found.report["perturbed"], "loss": float(found.loss[at]),
        "radii": [judged(right[:, k], left[:, k], radius) for k, radius in enumerate(RADII)],
    }  # fmt: skip


def judged(right: np.ndarray, left: np.ndarray, radius: float) -> dict[str, Any]:
    """What is known of one radius.

    Args:
        right: Rise of the loss along each direction [R].
        left: The same on the other side of the model.
        radius: The coordinate.

    Returns:
        Plain values by name; "errors" are root mean squares over disjoint groups, as fractions of the mean of all.
    """
    rise = (right + left) / 2
    mean = rise.mean()
    means = [rise[: len(rise) // n * n].reshape(-1, n).mean(1) for n in GROUPS]
    variation = float(rise.std(ddof=1) / mean)
    return {
        "radius": radius, "rise": float(mean), "variation": variation,
        "one_side": float(right.std(ddof=1) / right.mean()),
        "lowest": float(rise.min() / mean), "highest": float(rise.max() / mean),
        "errors": [float(np.sqrt(np.square(group - mean).mean()) / mean) for group in means],
        "enough": [math.ceil((variation / target) ** 2) for target in TARGETS],
    }  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """A row for each network and radius."""
    ways = " | ".join(f"{n}" for n in GROUPS)
    enough = " | ".join(f"enough for {target:.0%}" for target in TARGETS)
    lines = [
        textwrap.fill(f"{results['what']} Measured {results['date']}.", 100),
        "",
        f"| network, radius | mean rise | lowest to highest | variation | on one side | {ways} | {enough} |",
        f"|---|---|---|---|---|{'---|' * (len(GROUPS) + len(TARGETS))}",
    ]
    for run in results["runs"]:
        for at in run["radii"]:
            errors = " | ".join(f"{error:.1%}" for error in at["errors"])
            needed = " | ".join(map(str, at["enough"]))
            lines.append(
                f"| {run['network']}, {at['radius']:g} | {at['rise']:.3g} | {at['lowest']:.2f} to "
                f"{at['highest']:.2f} | {at['variation']:.0%} | {at['one_side']:.0%} | {errors} | {needed} |"
            )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.repeats", description=__doc__)
    parser.parse_args(arguments)
    torch.set_num_threads(1)
    runs = []
    for name in NETWORKS:
        runs.append(measured(name))
        print(json.dumps(runs[-1]), flush=True)
    said = (
        f"Networks of the zoo after {max(NETWORKS.values())} epochs on the digits, {SAMPLES} of their samples, "
        f"{REPEATS} filter-normalised Gaussian directions."
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
