"""Seconds that a large landscape takes to be written, read and drawn.

python -m benchmarks.large
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

import fastscape
from benchmarks.report import put
from benchmarks.shapes import CLOCKS, PAGE, processor
from fastscape.results import write_whole
from fastscape.runs import environment

RESULTS = Path(__file__).parent / "results" / "large.json"
START, STOP = "<!-- large: made by python -m benchmarks.large -->", "<!-- end of large -->"
SIDE, ROUNDS = 2001, 3
AIMS = {"CSV written": 5.0, "CSV read": 5.0, "contour drawn": 3.0}


def landscape(side: int) -> fastscape.Landscape:
    """A surface with every digit in its values, smooth and rough at once."""
    x = np.linspace(-1, 1, side)
    noise = np.random.default_rng(0).standard_normal((side, side))
    loss = np.exp(2 * x[:, None] ** 2 + x**2) + 0.3 * np.sin(7 * x[:, None] * x) + 1e-3 * noise
    return fastscape.Landscape(x, x, loss)


def measured(side: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of each, by name; values that come back as others are an error."""
    import matplotlib.pyplot as plt

    made, seconds = landscape(side), {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        started = clock()
        found = run()
        seconds[name] = clock() - started
        return found

    with tempfile.TemporaryDirectory() as folder:
        file, picture = Path(folder) / "large.csv", Path(folder) / "large.png"
        timed("CSV written", lambda: made.export(file))
        read = timed("CSV read", lambda: fastscape.Landscape.load(file))
        if not (np.array_equal(read.loss, made.loss) and np.array_equal(read.x, made.x)):
            raise AssertionError("the values that were read are not those that were written")
        timed("contour drawn", lambda: made.contour().figure.savefig(picture))
        plt.close("all")
    return seconds


def table(results: dict[str, Any]) -> str:
    """A row each: Markdown."""
    lines = [
        "## Large landscapes",
        "",
        f"{results['side']} x {results['side']} points, on one core. The aim is the project's own.",
        "",
    ]
    lines += ["| | s | aim, s |", "|---|---|---|"]
    lines += [f"| {name} | {seconds:.2f} | {AIMS[name]:g} |" for name, seconds in results["seconds"].items()]
    clock = "processor time" if results["clock"] == "cpu" else "wall clock"
    return "\n".join([*lines, "", f"{results['processor']}, {clock}, {results['date']}."])


def main(arguments: list[str] | None = None) -> Path:
    """Measures, and writes results and table; returns the file of the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=SIDE, help="points along each axis")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each is timed")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: where others share the machine")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file of the results")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page")
    options = parser.parse_args(arguments)
    mpl.use("Agg")
    measured(5, CLOCKS[options.clock])  # what a process does once
    rounds = [measured(options.side, CLOCKS[options.clock]) for _ in range(options.rounds)]
    results = {
        **environment(torch.device("cpu")),
        "processor": processor(),
        "clock": options.clock,
        "date": date.today().isoformat(),
        "side": options.side,
        "seconds": {name: statistics.median(found[name] for found in rounds) for name in AIMS},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    put(options.page, START, STOP, table(results))
    for name, seconds in results["seconds"].items():
        print(f"{name:<16}{seconds:6.2f} s, aim {AIMS[name]:g}", flush=True)
    return options.out


if __name__ == "__main__":
    main()
