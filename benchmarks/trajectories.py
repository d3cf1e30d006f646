"""A thousand checkpoints on one plane: peak memory, and seconds beside those of reading all files twice.

python -m benchmarks.trajectories                            # 1,000 records of 11 M weights, 22 GB in bfloat16
python -m benchmarks.trajectories --checkpoints 100 --width 316   # a quick look: 1.1 M

The files lie in a temporary folder, which is removed at the end. Before each measurement they leave the memory of the
system, as far as it lets a user do that, so that they are read from the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.report import put
from benchmarks.shapes import PAGE, processor
from fastscape.results import write_whole
from fastscape.runs import environment
from fastscape.weights import FORMAT, INDEX, VERSION

RESULTS = Path(__file__).parent / "results" / "trajectories.json"
START, STOP = "<!-- trajectories: made by python -m benchmarks.trajectories -->", "<!-- end of trajectories -->"
LAYERS = 11

PROGRAM = """
import json, sys, time
import torch
from safetensors.torch import load_file
import fastscape
from benchmarks.trajectories import evict, network
from fastscape.weights import Recording, layout_of

what, folder, width, threads = json.loads(sys.argv[1])
torch.set_num_threads(threads)
recording = Recording(folder)
files = [recording.folder / row.file for row in recording.rows]

def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(name))

def measured(run):
    evict(files)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew; that of getrusage would be of the process before, too
    before, started = status("VmRSS"), (time.perf_counter(), time.process_time())
    result = run()
    seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    return result, seconds, status("VmHWM") - before

def plainly():
    for path in files:  # as one would: each as one vector
        torch.cat([tensor.float().reshape(-1) for tensor in load_file(path).values()])

if what == "reading":
    _, seconds, peak = measured(plainly)
    print(json.dumps({"reading once": seconds, "peak": peak}))
else:
    model = network(width)
    model.load_state_dict(recording.tensors(len(recording) - 1))
    layout, theta = layout_of(model, "all"), dict(model.named_parameters())
    rows = torch.ones(2, layout.size)  # the axes, which the basis of every landscape has in memory
    source = fastscape.pca(recording)
    small = torch.randn(64, 64, dtype=torch.float64)
    torch.linalg.eigh(small @ small.T)  # what torch keeps from its first use on
    found, matrix, first = measured(lambda: source.directions(layout, theta, 2))
    _, axes, second = measured(lambda: found.together(rows))
    points = torch.from_numpy(found.paths[0].points.copy())
    worst = 0.0
    for k in (0, len(files) // 3, len(files) - 2):
        tensors = recording.tensors(k)
        way = layout.flatten(tensors, dtype=torch.float64) - layout.flatten(theta, dtype=torch.float64)
        off = (rows.double() @ way - points[k]).norm() / way.norm()
        worst = max(worst, float(off))
    gram = rows.double() @ rows.double().T
    print(json.dumps({"matrix": matrix, "axes": axes, "peak": max(first, second), "coordinates off": worst,
                      "axes off": float((gram - torch.eye(2)).abs().max())}))
"""


def network(width: int) -> nn.Module:
    """A network of 11 layers, of 11 million weights by default."""
    return nn.Sequential(*(nn.Linear(width, width) for _ in range(LAYERS)))


def evict(files: list[Path]) -> None:
    """Lets the system forget what it holds of files."""
    for path in files:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def record(folder: Path, count: int, width: int) -> int:
    """Writes a recording in bfloat16: a way with some strong directions, and noise; returns its bytes."""
    generator = torch.Generator().manual_seed(0)
    shapes = {name: p.shape for name, p in network(width).named_parameters()}
    size = sum(shape.numel() for shape in shapes.values())
    start = torch.randn(size, generator=generator) / width**0.5
    ways = torch.randn(4, size, generator=generator) * torch.tensor([[2.0], [1.0], [0.5], [0.25]]) / width**0.5
    noise = torch.randn(size, generator=generator) * 0.1 / width**0.5
    total = 0
    with (folder / INDEX).open("w") as index:
        index.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
        for k in range(count):
            t = k / max(count - 1, 1)
            at = torch.tensor([t, t * t, torch.pi * t, 7 * t]).sin()
            vector = (start + at @ ways + noise.roll(97 * k)).bfloat16()
            parts: list[Tensor] = list(vector.split([shape.numel() for shape in shapes.values()]))
            path = folder / f"step-{k:012d}.safetensors"
            save_file({n: p.view(s).clone() for (n, s), p in zip(shapes.items(), parts, strict=True)}, path)
            row = {"step": k, "file": path.name, "bytes": path.stat().st_size, "measures": {}}
            index.write(json.dumps(row) + "\n")
            total += row["bytes"]
    os.sync()  # what is not on the disk cannot be forgotten
    return total


def measured(what: str, folder: Path, width: int, threads: int) -> dict[str, Any]:
    """What a fresh process measures."""
    command = [sys.executable, "-c", PROGRAM, json.dumps([what, str(folder), width, threads])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent.parent)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def table(results: dict[str, Any]) -> str:
    """Markdown."""
    count, weights = results["checkpoints"], results["weights"]
    reading, plane = results["reading"]["reading once"], results["plane"]
    seconds = [a + b for a, b in zip(plane["matrix"], plane["axes"], strict=True)]
    megabytes = 4e-6 * weights
    lines = [
        "## The plane of a training",
        "",
        f"`pca` of {count:,} records of {weights / 1e6:.3g} M weights in bfloat16, {results['bytes'] / 1e9:.3g} GB.",
        "",
        "| | wall clock, s | processor time, s |",
        "|---|---|---|",
    ]
    for name, (wall, cpu) in {
        "every file read once, each as a float32 vector": reading,
        "the same twice": [2 * one for one in reading],
        "the Gram matrix, in one pass": plane["matrix"],
        "both axes, in a second pass": plane["axes"],
        "the plane, in both passes": seconds,
    }.items():
        lines.append(f"| {name} | {wall:.1f} | {cpu:.1f} |")
    ratio = seconds[0] / (2 * reading[0])
    size = 1e-6 * plane["peak"]
    lines += [
        "",
        f"The plane takes {ratio:.2f} times as long as reading every file twice. It needs {size:.0f} MB beside",
        f"the model and the axes. Three checkpoints in float32 would need {3 * megabytes:.0f} MB. The scalar products",
        f"of every pair of checkpoints take {0.5e-12 * count**2 * weights:.2g} million million multiplications. The",
        "matrix is kept beside the recording, so the next landscape needs only the second pass.",
        "",
        f"For developers: the aims are less time than reading twice ({_reached(ratio < 1)}), and less",
        f"memory than three checkpoints ({_reached(size < 3 * megabytes)}).",
        "",
        f"{results['processor']}, {results['threads']} threads, {results['date']}.",
    ]
    return "\n".join(lines)


def _reached(aim: bool) -> str:
    return "reached" if aim else "missed"


def main(arguments: list[str] | None = None) -> Path:
    """Measures, and writes results and table; returns the file of the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trajectories", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=int, default=1000, help="how many records")
    parser.add_argument("--width", type=int, default=1000, help="of the 11 layers; 1000 is 11 million weights")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="for torch")
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the file of the results")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # so that the files are removed
    weights = sum(p.numel() for p in network(options.width).parameters())
    place = options.folder or Path(tempfile.gettempdir())
    wanted, free = 2.2 * weights * options.checkpoints, shutil.disk_usage(place).free
    if free < wanted:
        raise SystemExit(f"{place} has {free / 1e9:.1f} GB free; wanted {wanted / 1e9:.1f}, or fewer --checkpoints")
    with tempfile.TemporaryDirectory(dir=place, prefix="trajectories-") as temporary:
        folder, started = Path(temporary), time.perf_counter()
        size = record(folder, options.checkpoints, options.width)
        print(f"{size / 1e9:.2f} GB written in {time.perf_counter() - started:.0f} s", flush=True)
        found = {}
        for what in ("reading", "plane"):
            found[what] = measured(what, folder, options.width, options.threads)
            print(what, found[what], flush=True)
    results = {
        **environment(torch.device("cpu")), "processor": processor(), "threads": options.threads,
        "date": date.today().isoformat(), "checkpoints": options.checkpoints, "weights": weights, "bytes": size,
        **found,
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(options.out, (json.dumps(results, indent=1) + "\n").encode())
    put(options.page, START, STOP, table(results))
    return options.out


if __name__ == "__main__":
    main()
