"""Checks the cost model of docs/scaling.md on this machine, and writes what it says there.

python -m benchmarks.scaling --out FOLDER

One thread a process, so that a core is a device. Machines with more devices than this one has cores are played by an
objective that sleeps: everything is as always then but the device, which is free of the cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import textwrap
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

import fastscape
from benchmarks.costs import Machine, memory, moved
from benchmarks.report import put
from fastscape.engine.block_weights import ROWS
from fastscape.runs.schedules import block_size

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "scaling-cpu.json"
PAGE = ROOT / "docs" / "scaling.md"
START, STOP = "<!-- costs: made by python -m benchmarks.scaling -->", "<!-- end of costs -->"
LAYERS, CHUNK = 4, 4
WIDTHS, SAMPLES = (256, 512, 1024, 2048), (16, 128, 512)
NAP = 0.02  # seconds of one point on the device that is played
# What a run is, by name: width, samples, points along an axis, numbers of processes.
RUNS: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "network": (512, 512, 21, (1, 2, 4)),
    "played device": (8, 16, 31, (1, 2, 4, 8)),
}
TINY: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "network": (64, 64, 3, (1, 2)),
    "played device": (8, 16, 3, (1,)),
}
# One H100 SXM as its data sheet has it; the share of its arithmetic that a forward pass reaches is assumed.
H100 = Machine(flops=0.4 * 989e12, bandwidth=0.8 * 3.35e12, begin=60.0, request=50e-6, network=1e9)
H100_BYTES = 80e9
NORMALS, BUS, DISK = 26e6 / 0.07e-3, 25e9, 3e9  # normals a second, as measured; bytes a second, as assumed
BLOCK, MATRIX = 202e6, 4096**2  # weights of a block of a model of 7 billion, and of a matrix of its attention


def network(width: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(width, width, bias=False) for _ in range(LAYERS)))


def rests(output: Tensor, target: Tensor) -> Tensor:
    """The squared error, after the time that a device would take."""
    time.sleep(NAP)
    return F.mse_loss(output, target)


def surface(name: str, width: int, samples: int, side: int) -> fastscape.Landscape:
    torch.manual_seed(0)
    data = torch.randn(samples, width), torch.randn(samples, width)
    plan = fastscape.Plan(batching="loop", chunk=CHUNK, microbatch=samples)
    loss = rests if name == "played device" else F.mse_loss
    axis = (-1, 1, side)
    return fastscape.surface(network(width), data, loss=loss, x=axis, y=axis, plan=plan, progress=False)


def cells(widths: tuple[int, ...], samples: tuple[int, ...], rounds: int) -> list[dict[str, float]]:
    """Seconds a point for every number of weights and samples."""
    found = []
    for width in widths:
        for number in samples:
            each = []
            for _ in range(rounds):
                small, large = (surface("network", width, number, side).report["seconds"] for side in (2, 6))
                each.append((large - small) / (6**2 - 2**2))
            weights = LAYERS * width**2
            found.append({"weights": weights, "samples": number, "seconds": statistics.median(each)})
    return found


def fitted(found: list[dict[str, float]]) -> Machine:
    """The machine that explains the measurements best, by their relative errors."""
    rows = [[2 * cell["weights"] * cell["samples"], moved(cell["weights"], chunk=CHUNK), 1.0] for cell in found]
    seconds = np.array([cell["seconds"] for cell in found])
    scale = np.array(rows) / seconds[:, None]
    from scipy.optimize import nnls

    norms = np.linalg.norm(scale, axis=0)
    flop, byte, call = nnls(scale / norms, np.ones(len(found)))[0] / norms
    return Machine(flops=1 / max(flop, 1e-30), bandwidth=1 / max(byte, 1e-30), call=call)


def work(name: str, rounds: int, *, tiny: bool, out: Path) -> None:
    """What one process does: the same call several times, with its times on the clock of the machine."""
    width, samples, side, _ = (TINY if tiny else RUNS)[name]
    torch.set_num_threads(1)
    surface(name, width, samples, 2)
    times = []
    for _ in range(rounds):
        for points in (2, side):
            begun = time.time()
            surface(name, width, samples, points)
            times.append((begun, time.time()))
    (out / f"{os.environ['RANK']}.json").write_text(json.dumps(times))


def timed(name: str, processes: int, rounds: int, *, tiny: bool, out: Path) -> dict[str, Any]:
    """Seconds of a call, from the first process that makes it to the last that has its result."""
    folder = out / f"{name.replace(' ', '-')}-{processes}"
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "benchmarks.scaling", "--work", name, "--rounds", str(rounds), "--out", str(folder)]
    command += ["--tiny"] if tiny else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=ROOT)
    every = np.array([json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)])
    seconds = every[..., 1].max(0) - every[..., 0].max(0)  # those that are early wait
    return {"processes": processes, "begin": float(np.median(seconds[::2])), "seconds": seconds[1::2].tolist()}


def requests() -> float:
    """Seconds of one request to the store through which processes talk."""
    server = dist.TCPStore("127.0.0.1", 0, 1, is_master=True, wait_for_workers=False)
    client = dist.TCPStore("127.0.0.1", server.port, is_master=False, wait_for_workers=False)
    client.set("name", b"value")
    begun = time.perf_counter()
    for _ in range(5000):
        client.get("name")
    return (time.perf_counter() - begun) / 5000


def measured(*, tiny: bool, rounds: int, out: Path) -> dict[str, Any]:
    """Everything that this machine can say."""
    torch.set_num_threads(1)
    found = cells((32, 64), (8, 16), 1) if tiny else cells(WIDTHS, SAMPLES, rounds)
    machine, request = fitted(found), requests()
    runs = {}
    for name, (_, _, side, counts) in (TINY if tiny else RUNS).items():
        rows = [timed(name, processes, rounds, tiny=tiny, out=out) for processes in counts]
        runs[name] = {"side": side, "rows": rows}
    return {
        "date": date.today().isoformat(), "cores": os.cpu_count(), "torch": torch.__version__, "tiny": tiny,
        "machine": vars(machine) | {"request": request}, "cells": found, "runs": runs,
    }  # fmt: skip


def predicted(results: dict[str, Any], name: str) -> list[tuple[dict[str, Any], float]]:
    """Every run of a name, with what the model says of it from the run of one process."""
    run = results["runs"][name]
    points, block = run["side"] ** 2, block_size(run["side"] ** 2, CHUNK)
    alone = run["rows"][0]
    point = (statistics.median(alone["seconds"]) - alone["begin"]) / (points - 2**2)
    found = []
    for row in run["rows"]:
        devices = row["processes"] if name != "network" else min(row["processes"], results["cores"])
        machine = Machine(1.0, 1.0, begin=alone["begin"] - 4 * point, request=results["machine"]["request"])
        found.append((row, machine.run(point, points, block=block, processes=devices)))
    return found


def tables(results: dict[str, Any]) -> str:
    """What was measured here beside what the model says, and what it says of another machine."""
    machine = Machine(**{**results["machine"], "network": float("inf")})
    lines = [
        *_prose(
            f"Measured {results['date']} with torch {results['torch']} on {results['cores']} cores, one thread per "
            f"process. `F` = {machine.flops / 1e9:.0f} GFLOP/s, `B` = {machine.bandwidth / 1e9:.1f} GB/s and `call` = "
            f"{1e3 * machine.call:.2g} ms are fitted to these rows. A request was measured as "
            f"{1e6 * machine.request:.0f} us."
        ),
        "",
        "| weights | samples | ms per point | model |",
        "|---|---|---|---|",
    ]
    for cell in results["cells"]:
        model = machine.point(2 * cell["weights"] * cell["samples"], cell["weights"], chunk=CHUNK)
        lines.append(
            f"| {cell['weights'] / 1e6:.3g} M | {cell['samples']} | {1e3 * cell['seconds']:.3g} | {1e3 * model:.3g} |"
        )
    lines += [
        "",
        *_prose(
            "The rows of several processes are not fitted. The model calculates them from the run of one process, "
            "with as many devices as processes; for the network with at most the "
            f"{results['cores']} cores of the machine."
        ),
        "",
        "| problem | processes | seconds, median | spread | model | measured / model |",
        "|---|---|---|---|---|---|",
    ]
    for name in results["runs"]:
        for row, model in predicted(results, name):
            middle = statistics.median(row["seconds"])
            spread = (max(row["seconds"]) - min(row["seconds"])) / middle
            lines.append(
                f"| {name}, {results['runs'][name]['side'] ** 2} points | {row['processes']} | {middle:.2f} | "
                f"{spread:.0%} | {model:.2f} | {middle / model:.2f} |"
            )
    return "\n".join([*lines, "", *calculated()])


def calculated() -> list[str]:
    """A model of 7 billion weights on a thousand GPUs."""
    weights, tokens, width = 7e9, 1000 * 2048, 2
    flops = 2 * weights * tokens
    point = H100.point(flops, weights, width=width)
    reads = moved(weights, width=width) / H100.bandwidth
    held, low = (memory(weights, width=width, low_memory=low) / 1e9 for low in (False, True))
    lines = [
        *_prose(
            "**Calculated, not measured**: 7 billion weights in bfloat16, 1000 sequences of 2048 tokens, NVIDIA H100 "
            "SXM as in its data sheet (989 TFLOP/s, of which 40 % are assumed to be reached; 3.35 TB/s, 80 %), "
            f"{H100.begin:.0f} s until the first point. A point takes {flops:.2g} operations and {point:.0f} s, of "
            f"which {1e3 * reads:.0f} ms are for the weights. A process would hold {held:.0f} GB of weights, with "
            f"the user's model, and the GPU has {H100_BYTES / 1e9:.0f} GB. With `low_memory=True` it holds "
            f"{low:.0f} GB."
        ),
        "",
        "| grid | points that are evaluated | 1 GPU | 8 GPUs | 1000 GPUs |",
        "|---|---|---|---|---|",
    ]
    for grid, points in (("51 x 51", 51**2), ("481 x 481", 481**2), ("481 x 481, 2 % of it", 481**2 // 50)):
        times = [H100.run(point, points, block=1, processes=gpus, measures=2) / 3600 for gpus in (1, 8, 1000)]
        lines.append(f"| {grid} | {points} | " + " | ".join(map(_duration, times)) + " |")
    return [*lines, "", *in_place(weights, width)]


def in_place(weights: float, width: int) -> list[str]:
    """The same model with its points made in itself, and in layers; formulas: docs/language_models.md."""
    model, drawn = width * weights, 2 * weights / NORMALS
    bus, disk = (model / rate for rate in (BUS, DISK))
    kept = ROWS // (3 * 4) // MATRIX * MATRIX  # whose three vectors, in float32, stay for all points of a chunk
    layers = disk * (1 - kept / BLOCK + kept / BLOCK / 16)
    text = (
        f"**In place**, with `lend=True, low_memory=True`, it holds {model / 1e9:.0f} GB, the user's model. It holds "
        'as much again for the weights that it puts back, unless they are in main memory (`keep="cpu"`) or on a disk '
        '(`keep="disk"`). Parts of one tensor add some 16 MB. A point draws two directions, which takes '
        f"{drawn:.2f} s. It reads the kept weights: {bus:.1f} s from main memory at {BUS / 1e9:.0f} GB/s, "
        f'{disk:.1f} s from a disk at {DISK / 1e9:.0f} GB/s. **In layers**, with `plan=fastscape.Plan("layers")` too, '
        "the points of a chunk share what is read and drawn, as far as the vectors of a block fit into "
        f"{ROWS >> 20} MB. Of a block of {BLOCK / 1e6:.0f} M weights {kept / 1e6:.0f} M fit. With 16 points per chunk "
        f"a point reads for {layers:.1f} s. "
        "The formulas are on the page of [language models](language_models.md#layer-by-layer)."
    )
    return _prose(text)


def _prose(text: str) -> list[str]:
    return textwrap.wrap(text, 100, break_on_hyphens=False, break_long_words=False)


def _duration(hours: float) -> str:
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def write(results: dict[str, Any], page: Path = PAGE) -> None:
    """Puts the tables into the page."""
    put(page, START, STOP, tables(results))


def main(arguments: list[str] | None = None) -> None:
    """Measures, writes and reports."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="small problems, whose times mean nothing")
    parser.add_argument("--out", type=Path, required=True, help="a folder for what the processes write")
    parser.add_argument("--work", choices=list(RUNS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.work, options.rounds, tiny=options.tiny, out=options.out)
        return
    results = measured(tiny=options.tiny, rounds=options.rounds, out=options.out)
    if options.tiny:
        (options.out / "tiny.json").write_text(json.dumps(results))
        return
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)


if __name__ == "__main__":
    main()
