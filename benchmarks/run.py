"""Runs the benchmark suite, writes its results as JSON, and makes the page and the README's table from them.

python -m benchmarks.run --problems mlp cnn resnet20
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from datetime import date
from pathlib import Path
from typing import Any

os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # a compilation costs what it costs the first time

import torch

from benchmarks.apart import processes
from benchmarks.measure import measured, peak_memory
from benchmarks.problems import PROBLEMS
from benchmarks.report import write
from fastscape.results import write_whole
from fastscape.runs import environment

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> Path:
    """Measures, writes and reports; returns the file of the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    every = list(PROBLEMS)
    parser.add_argument("--problems", nargs="+", choices=every, default=every, metavar="NAME", help=", ".join(every))
    parser.add_argument("--scale", choices=["tiny", "full"], default="full", help="tiny problems show that it runs")
    parser.add_argument("--side", type=int, default=51, help="points along each axis")
    parser.add_argument("--rounds", type=int, default=3, help="how often each package is timed")
    parser.add_argument(
        "--memory", action=argparse.BooleanOptionalAction, default=True, help="measure peak memory too"
    )
    parser.add_argument("--out", type=Path, default=None, help="the file; default: benchmarks/results/<machine>.json")
    options = parser.parse_args(arguments)
    tiny = options.scale == "tiny"
    place = torch.device("cpu")
    out = options.out or RESULTS / f"cpu-{torch.get_num_threads()}-threads.json"
    results = json.loads(out.read_text()) if out.exists() else {}
    results |= {
        **environment(place),
        "processor": _processor(),
        "commit": _commit(),
        "date": date.today().isoformat(),
        "scale": options.scale,
    }
    results.setdefault("problems", {})
    out.parent.mkdir(parents=True, exist_ok=True)
    with processes() as apart:
        for name in options.problems:
            started = time.perf_counter()
            found = measured(apart, name, tiny=tiny, steps=options.side, rounds=options.rounds)
            if options.memory:
                found["peak_megabytes"] = {
                    "kept directions": peak_memory(name, tiny=tiny),
                    "low_memory=True": peak_memory(name, tiny=tiny, low_memory=True),
                }
            measured_at = {"commit": _commit(), "date": date.today().isoformat(), "processor": _processor()}
            results["problems"][name] = found | measured_at
            write_whole(out, (json.dumps(results, indent=1) + "\n").encode())
            _tell(name, found, time.perf_counter() - started)
    if options.out is None and not tiny:
        write(results)
    return out


def _tell(name: str, found: dict[str, Any], seconds: float) -> None:
    print(f"{name}: {seconds:.0f} s")
    for rival, row in found["rows"].items():
        said = row.get("error") or f"{1e3 * row['seconds_a_point']:9.3f} ms a point, {row['side']} x {row['side']}"
        print(f"  {rival:<20}{said}", flush=True)


def _commit() -> str | None:
    try:
        run = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
