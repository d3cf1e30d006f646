"""Linear layers of many points: weights that are written and multiplied, beside products with the basis.

python -m benchmarks.products

A network of linear layers under vmap, evaluated by `Plan("vmap", hoist=True)` with `products="materialised"` and
"shared" in turn, for growing numbers of rows a point. Processor time of one thread: the ratio of both times in each
round, its median, and where the middle half of the rounds lies.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from fastscape import Plan
from fastscape.engine import Engine
from fastscape.model import Footprint, Objective, fixed_samples, problem_of
from fastscape.weights import PRECISIONS, SURFACES, Place, Random, SpaceAsked, space_of

SECONDS = 0.1  # of a measurement, at least
WIDTHS, ROWS = (64, 256, 1024), (1, 2, 4, 8, 16, 32, 64)
POINTS = 2 << 20  # weights of a chunk of points

Measured = tuple[float, float, float, float]


def engine_of(width: int, rows: int, plan: Plan, precision: str) -> Engine:
    """Evaluates a network of four linear layers on so many samples.

    Args:
        width: Of its layers.
        rows: Samples.
        plan: How.
        precision: Of the weights.

    Returns:
        The engine.
    """
    torch.manual_seed(0)
    layers = [nn.Linear(width, width, bias=False) for _ in range(4)]
    model = nn.Sequential(*(layer for linear in layers for layer in (linear, nn.ReLU())))
    place = Place(torch.device("cpu"), PRECISIONS[precision])
    dtype = place.precision.basis
    samples = fixed_samples((torch.randn(rows, width), torch.randn(rows, width)), device=place.device, dtype=dtype)
    moving = {name for name, _ in model.named_parameters()}
    asked = SpaceAsked(2, Random(0), SURFACES["plane"], "plane", "weights", "filter")
    problem = problem_of(model.to(dtype), moving, Objective(F.mse_loss), samples, place)
    problem = replace(problem, footprint=Footprint())  # as is seen of such a network
    return Engine(problem, space_of(model, asked, place), plan)


def measured(width: int, rows: int, *, points: int, rounds: int, precision: str = "float32") -> Measured:
    """Times both ways in turn.

    Args:
        width: Of the layers.
        rows: Samples, all in one microbatch.
        points: Of a chunk.
        rounds: How often.
        precision: Of the weights. Default "float32".

    Returns:
        Seconds a point with weights that are written, and how many times faster products with the basis are: the
        median, the lower and the upper quartile of the rounds.
    """
    where = torch.rand(points, 2, dtype=torch.float64)
    engines = [
        engine_of(width, rows, Plan("vmap", points, rows, hoist=True, products=products), precision)
        for products in ("materialised", "shared")
    ]
    times, calls = [], 1
    for engine in engines:
        engine.sums(where)
    while (spent := _seconds(engines[0], where, calls)) < SECONDS and calls < 1 << 12:
        calls *= 2 if spent > SECONDS / 4 else 4
    for _ in range(rounds):
        times.append([_seconds(engine, where, calls) for engine in engines])
    ratios = [written / shared for written, shared in times]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return statistics.median(first for first, _ in times) / calls / points, middle, low, high


def _seconds(engine: Engine, where: torch.Tensor, calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        engine.sums(where)
    return time.process_time() - started


def processor() -> str:
    """The name of the processor."""
    info = Path("/proc/cpuinfo")
    named = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
    return named[0] if named else platform.processor()


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precision", default="float32", choices=("float32", "float64"))
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{processor()}, one thread, {options.precision}, torch {torch.__version__}\n")
    print("| width | points in a chunk | rows a point | ms a point, written | times faster, shared | middle half |")
    print("|---|---|---|---|---|---|")
    for width in options.widths:
        points = max(min(POINTS // width**2, 256), 8)
        for rows in options.rows:
            seconds, ratio, low, high = measured(
                width, rows, points=points, rounds=options.rounds, precision=options.precision
            )
            spread = f"{low:.2f} to {high:.2f}"
            print(f"| {width} | {points} | {rows} | {seconds * 1e3:.3f} | {ratio:.2f} | {spread} |", flush=True)


if __name__ == "__main__":
    main()
