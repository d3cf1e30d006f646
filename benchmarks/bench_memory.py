"""Peak memory of a surface, in a fresh process for each measurement: what a run keeps, in units of the weights.

pytest benchmarks/bench_memory.py            # 67 million weights, 270 MB
pytest benchmarks/bench_memory.py -k small   # a quick look: 4 million

With directions that are recomputed a surface holds theta and one chunk of points; otherwise it holds the directions
too. The model itself, which the user has in memory anyway, is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CHUNK = 2
WIDTHS = {"small": 1024, "large": 4096}
LAYERS = 4
ALLOWED = 40e6  # bytes besides the weights: activations, numbers of one block, and what the allocator keeps

PROGRAM = """
import json, resource, sys
import torch, fastscape

width, layers, chunk, low_memory = json.loads(sys.argv[1])

def network(width, layers):
    return torch.nn.Sequential(*(torch.nn.Linear(width, width, bias=False) for _ in range(layers)))

def surface(model, width):
    data = torch.randn(16, width), torch.randn(16, width)
    plan = fastscape.Plan(batching="loop", chunk=chunk)
    options = {"loss": torch.nn.functional.mse_loss, "low_memory": low_memory, "plan": plan, "progress": False}
    return fastscape.surface(model, data, x=(-1, 1, 2), y=(-1, 1, 2), **options)

surface(network(64, 2), 64)  # what torch and its threads keep from their first use on is no part of a surface
model = network(width, layers)
with open("/proc/self/statm") as file:
    before = int(file.read().split()[1]) * resource.getpagesize()
surface(model, width)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps(peak - before))
"""


def peak_of_a_surface(width: int, *, low_memory: bool) -> float:
    """Bytes that a surface needs at most, besides what the process held before."""
    arguments = json.dumps([width, LAYERS, CHUNK, low_memory])
    command = [sys.executable, "-c", PROGRAM, arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
@pytest.mark.parametrize("size", WIDTHS)
def test_peak_memory(size, capsys):
    weights = 4 * LAYERS * WIDTHS[size] ** 2
    # What the allocator keeps differs from run to run, and only adds to what is needed.
    stored, seeded = (min(peak_of_a_surface(WIDTHS[size], low_memory=low) for _ in range(2)) for low in (False, True))
    with capsys.disabled():
        print(
            f"\n{size}: weights {weights / 1e6:.0f} MB, chunk of {CHUNK}; a surface needs {stored / weights:.2f} "
            f"times as much, {seeded / weights:.2f} with low_memory=True"
        )
    assert seeded <= (1 + CHUNK) * weights + ALLOWED
    assert stored - seeded > 1.5 * weights
