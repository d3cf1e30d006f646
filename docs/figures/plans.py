"""Draws docs/images/plans.png: the plans that the planner tried on two networks, and what a point took with each.

python docs/figures/plans.py  # on a machine with nothing else to do; the times are its own
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from matplotlib import pyplot as plt

import fastscape
from fastscape.zoo import datasets, models

OUT = Path(__file__).parent.parent / "images" / "plans.png"
NETWORKS = {"mnist-cnn": 1000, "resnet20": 64}  # samples


def main() -> None:
    """Two surfaces of 51 x 51 points; one bar for each plan that was tried."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="constrained")
    data = datasets.load("digits")
    for ax, (name, samples) in zip(axes, NETWORKS.items(), strict=True):
        model = models.build(name, seed=0, **datasets.describe(data)._asdict())
        landscape = fastscape.surface(model, data[:samples], progress=False)
        tried = [one for one in landscape.report["plans_measured"] if "error" not in one]
        best: dict[str, Any] = {}
        for place, plan in enumerate(tried):
            options = {key: value for key, value in plan.items() if not key.startswith("seconds")}
            milliseconds = 1e3 * plan["seconds_a_point"]
            faster = not best or milliseconds < 0.97 * best["milliseconds"]
            said = ", ".join(f"{key}={value}" for key, value in options.items() if best.get(key) != value)
            ax.barh(place, milliseconds, color="tab:blue" if faster else "lightgrey")
            text = said if best else f"fixed rules: {options['batching']}, chunk={options['chunk']}"
            ax.text(0.02, place, text, va="center", fontsize=8, transform=ax.get_yaxis_transform())
            if faster:
                best = {**options, "milliseconds": milliseconds}
        ax.invert_yaxis()
        ax.set(yticks=[], xlabel="milliseconds a point", title=f"{name}, {samples} samples")
    threads = f"{torch.get_num_threads()} threads"
    figure.suptitle(f"Plans in the order in which they were tried; blue: kept. On {threads} of a CPU, 51 x 51 points.")
    figure.savefig(OUT, dpi=120)


if __name__ == "__main__":
    main()
