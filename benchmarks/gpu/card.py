"""The card and what it can do at most: copies, products in three precisions, and how long a launch takes."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from functools import partial
from typing import Any

import torch

from benchmarks.gpu.setting import Entry, Setting, medians, per_launch

__all__ = ["copied", "entries"]

PRODUCTS = {"fp32": (torch.float32, "highest"), "TF32": (torch.float32, "high"), "bf16": (torch.bfloat16, "highest")}
ASKED = "driver_version,power.limit,clocks.max.sm,clocks.max.mem,clocks.sm,temperature.gpu,persistence_mode"
LAUNCHES = 200


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    made = [Entry("card and versions", partial(described, setting), 3), Entry("copy", partial(copied, setting), 3)]
    made += [Entry(f"product, {name}", partial(multiplied, setting, name), 4) for name in PRODUCTS]
    return [*made, Entry("launches", partial(launched, setting), 3)]


def described(setting: Setting) -> dict[str, Any]:
    """What the card is, and what runs on it."""
    found: dict[str, Any] = {"device": str(setting.device), "cache bytes": setting.cache}
    if setting.gpu:
        card = torch.cuda.get_device_properties(setting.device)
        found |= {
            "card": card.name,
            "memory bytes": card.total_memory,
            "multiprocessors": card.multi_processor_count,
            "capability": f"{card.major}.{card.minor}",
            "CUDA of torch": torch.version.cuda or torch.version.hip,
            "cuDNN": torch.backends.cudnn.version(),
        }
        found |= _asked_of_the_driver()
    return found


def _asked_of_the_driver() -> dict[str, str]:
    """Driver, limits and clocks, where `nvidia-smi` is there and says them."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        return dict(zip(ASKED.split(","), map(str.strip, said.splitlines()[0].split(",")), strict=False))
    return {}


def copied(setting: Setting) -> dict[str, Any]:
    """GB/s of a copy, bytes read and written, of blocks that no cache holds."""
    entries = max(1 << (14 if setting.tiny else 28), setting.cache // 4)
    pairs = [tuple(torch.empty(entries, device=setting.device) for _ in range(2)) for _ in range(2)]
    found = per_launch(setting, [partial(_copy, into, out) for into, out in pairs], 5 if setting.tiny else 40)
    return {"GB/s": 8 * entries / found["seconds"] / 1e9, "spread": found["spread"], "bytes": 8 * entries}


def _copy(into: torch.Tensor, out: torch.Tensor) -> None:
    into.copy_(out)


def multiplied(setting: Setting, name: str) -> dict[str, Any]:
    """TFLOP/s of the product of two large matrices."""
    dtype, precision = PRODUCTS[name]
    n = 128 if setting.tiny else 8192
    sets = [tuple(torch.randn(n, n, device=setting.device).to(dtype) for _ in range(3)) for _ in range(2)]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        calls = [partial(torch.mm, a, b, out=c) for a, b, c in sets]
        found = per_launch(setting, calls, 3 if setting.tiny else 20)
    finally:
        torch.set_float32_matmul_precision(before)
    return {"TFLOP/s": 2 * n**3 / found["seconds"] / 1e12, "spread": found["spread"], "rows": n}


def launched(setting: Setting) -> dict[str, Any]:
    """Seconds of a launch that has nothing to do: from Python, and as a part of a CUDA graph."""
    x = torch.zeros(8, device=setting.device)

    def many() -> None:
        for _ in range(LAUNCHES):
            x.add_(1)

    many()
    found = {"seconds of a launch": medians(setting, many, 3 if setting.tiny else 20)["seconds"] / LAUNCHES}
    if setting.gpu:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            many()
        graph.replay()
        found["seconds of a launch in a graph"] = medians(setting, graph.replay, 20)["seconds"] / LAUNCHES
    return found
