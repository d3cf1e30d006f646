"""What the eigenvalues at every point of a map cost: both ends from one subspace, beside a cold Lanczos at each end.

python -m benchmarks.ratio

A trained ResNet-8 on digits, an 11 x 11 plane of random directions. At every `--every`-th point of each axis, in turn:

- `fastscape`: what `surface(..., curvature="ratio")` does at a point.
- `eigsh`: `scipy.sparse.linalg.eigsh` from a random vector, once for each end, by the same products.
- `curvlinops`: the same by products of `curvlinops`, which go through the model each time, as the paper's code does.

All end at the same residual as a fraction of the norm: ARPACK, which compares with the eigenvalue itself, gets the
tolerance that means the same, from eigenvalues that are known before. Processor time of one thread.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

import fastscape
from benchmarks.report import put
from fastscape.curvature import Extremes
from fastscape.curvature.extremes import extremities
from fastscape.results import with_defaults
from fastscape.runs.options import HessianOptions
from fastscape.runs.single_point import Point, at_model
from fastscape.zoo import datasets, models, training

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "ratio.json"
PAGE = ROOT / "docs" / "curvature.md"
START, STOP = "<!-- ratio: made by python -m benchmarks.ratio -->", "<!-- end of ratio -->"
NETWORK = "resnet8"
SIDE, REACH = 11, 1.0
WAYS = {
    "fastscape": '`curvature="ratio"`',
    "eigsh": "`eigsh` at each end, the same products",
    "curvlinops": "`eigsh` at each end, products of curvlinops",
}
Ends = tuple[float, float]
Product = Callable[[np.ndarray], np.ndarray]


class Counted:
    """A linear map of numpy vectors that counts its products."""

    def __init__(self, times: Product, size: int) -> None:
        self.times, self.size, self.products = times, size, 0

    def __call__(self, vector: np.ndarray) -> np.ndarray:
        self.products += 1
        return self.times(vector.reshape(-1))

    def ends(self, tolerance: float, known: Ends) -> Ends:
        """Both ends by ARPACK, each from the same random vector, to residuals of a fraction of the norm."""
        start = np.random.default_rng(0).standard_normal(self.size)
        operator = LinearOperator((self.size, self.size), matvec=self, dtype=np.float64)
        norm = max(map(abs, known))
        found = [
            eigsh(operator, 1, which=which, tol=tolerance * norm / abs(value), v0=start, return_eigenvectors=False)[0]
            for which, value in zip(("SA", "LA"), known, strict=True)
        ]
        return float(found[0]), float(found[1])


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ratio", description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--every", type=int, default=2, help="of the points of an axis, one of so many")
    parser.add_argument("--tolerance", type=float, default=1e-3)
    parser.add_argument("--out", type=Path, default=None, help="a file for the results; default: the committed ones")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    digits = datasets.load("digits")
    network = models.build(NETWORK, seed=0, **datasets.describe(digits)._asdict())
    training.train(network, digits, epochs=options.epochs, lr=1e-3, seed=0, progress=False)
    data = digits[: options.samples]
    exactly = with_defaults(HessianOptions, {"progress": False, "microbatch": 64}, "hessian")
    axis = np.linspace(-REACH, REACH, SIDE)[SIDE // 2 % options.every :: options.every]  # the model among them
    steps = fastscape.random_directions(network, seed=0)
    rows: list[dict[str, Any]] = []
    for x in axis:
        for y in axis:
            moved = _moved(network, [(x, steps[0]), (y, steps[1])])
            row = at_model(moved, data, exactly, partial(_at, moved, data, options.tolerance), call="the benchmark")
            rows.append({"x": float(x), "y": float(y), **row})
            print({name: value if isinstance(value, float) else _short(value) for name, value in rows[-1].items()})
    results = {
        "date": date.today().isoformat(),
        "torch": torch.__version__,
        "samples": options.samples,
        "tolerance": options.tolerance,
        "points": rows,
    }
    out = options.out or RESULTS
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))
    if options.out is None:
        put(PAGE, START, STOP, table(results))
    return results


def _moved(network: Any, steps: list[tuple[float, Any]]) -> Any:
    """A copy of the network elsewhere in the plane."""
    moved = copy.deepcopy(network).eval()
    with torch.no_grad():
        for name, parameter in moved.named_parameters():
            for length, direction in steps:
                if name in direction:
                    parameter += float(length) * direction[name]
    return moved


def _at(model: Any, data: Any, tolerance: float, point: Point) -> dict[str, Any]:
    """Each way at one point, one after the other."""
    extremes = Extremes(point.problem, point.layout, point.microbatch, tolerance)
    extremes.at(point.theta)  # from then on it knows whether graphs are kept, as at every point of a map but the first
    own, known = _timed(lambda: extremes.at(point.theta).tolist())
    counting = extremes.matrix(point.theta)
    found = extremities(counting, tolerance)
    row: dict[str, Any] = {"lambda_min": known[0], "lambda_max": known[1], "residual": found.residual}
    row["fastscape"] = {"seconds": own, "products": counting.products}
    ends = known[0], known[1]
    ways = {"eigsh": partial(_ours, extremes, point), "curvlinops": partial(_theirs, model, data, point)}
    for name, make in ways.items():
        tried = partial(_cold, make, point, tolerance, ends)
        seconds, (theirs, products) = _timed(tried)
        apart = max(abs(a - b) for a, b in zip(theirs, ends, strict=True)) / max(map(abs, ends))
        row[name] = {"seconds": seconds, "products": products, "apart": apart}
    return row


def _cold(make: Callable[[], Product], point: Point, tolerance: float, known: Ends) -> tuple[Ends, int]:
    """Both ends by ARPACK, and how many products it took."""
    counted = Counted(make(), point.layout.perturbed)
    return counted.ends(tolerance, known), counted.products


def _ours(extremes: Extremes, point: Point) -> Product:
    """The products of this library."""
    matrix = extremes.matrix(point.theta)
    return lambda vector: matrix.times(torch.from_numpy(vector)).numpy()


def _theirs(model: Any, data: Any, point: Point) -> Product:
    """Those of curvlinops, of the same weights and in the same batches."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from curvlinops import HessianLinearOperator
    moving = {entry.name for entry in point.layout.entries}
    parameters = [parameter for name, parameter in model.named_parameters() if name in moving]
    batches = list(zip(*(tensor.split(point.microbatch) for tensor in data), strict=True))
    loss = torch.nn.CrossEntropyLoss()
    operator = HessianLinearOperator(model, loss, parameters, batches, check_deterministic=False)

    def times(vector: np.ndarray) -> np.ndarray:
        found: np.ndarray = (operator @ torch.from_numpy(vector).float()).double().numpy()
        return found

    return times


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Processor time in seconds, and what came of it."""
    started = time.process_time()
    found = run()
    return time.process_time() - started, found


def _short(value: dict[str, Any]) -> str:
    return f"{value['seconds']:.2f} s, {value['products']} products"


def table(results: dict[str, Any]) -> str:
    """The medians, as a table of Markdown."""
    rows = results["points"]
    lines = [
        f"ResNet-8 on {results['samples']} digits, {len(rows)} points of an {SIDE} x {SIDE} plane, both ends to a",
        f"residual of {results['tolerance']:g} of the norm, one thread:",
        "",
        "| method | products per point | seconds per point | times as long, median | from | to |",
        "|---|---|---|---|---|---|",
    ]
    for name, said in WAYS.items():
        times = [row[name]["seconds"] / row["fastscape"]["seconds"] for row in rows]
        seconds = statistics.median(row[name]["seconds"] for row in rows)
        products = statistics.median(row[name]["products"] for row in rows)
        median, low, high = statistics.median(times), min(times), max(times)
        lines.append(f"| {said} | {products:.0f} | {seconds:.2f} | {median:.2f} | {low:.2f} | {high:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
