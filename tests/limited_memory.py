"""A surface of a model that fills the memory that a process may take; a program that `test_limited_memory.py` runs.

The limit is RLIMIT_DATA: what the system must be able to give a process for good, private memory that may be written
to. RLIMIT_AS would count the map of the file too, whose pages the system takes away whenever memory is short, and the
code of torch; and the resident memory has no limit that Linux enforces.

    python limited_memory.py PARAMETERS BEYOND WAY     the way is "disk", "device" or "copy"

It prints JSON: the surface, whether the weights are bit for bit what they were, after it, after an objective that
fails, and after Ctrl-C, and how much memory the process has held.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

POINTS = {"x": (-0.2, 0.2, 5), "y": (-0.2, 0.2, 5)}
FEW = {"x": [0.0, 0.2], "y": [0.0, 0.2]}
VOCABULARY = 1000


class Blocks(nn.Module):
    """An embedding, which is also the head, and residual blocks of two linear layers."""

    def __init__(self, parameters: int) -> None:
        super().__init__()
        width = 1024 if parameters > 1e8 else 384
        count = round((parameters - VOCABULARY * width) / (8 * width * width))
        self.embedding = nn.Embedding(VOCABULARY, width)
        blocks = (
            nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)) for _ in range(count)
        )
        self.blocks, self.norm = nn.ModuleList(blocks), nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = x + block(x)
        return self.norm(x) @ self.embedding.weight.t() / x.shape[-1] ** 0.5


def data_bytes() -> int:
    """What RLIMIT_DATA counts, now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmData")).split()[1])


def digest(model: nn.Module) -> str:
    found = hashlib.sha256()
    for tensor in model.state_dict().values():
        found.update(tensor.view(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def main(parameters: int, beyond: int, way: str) -> None:
    torch.set_num_threads(1)
    if beyond:
        limit = data_bytes() + beyond
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    import fastscape

    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.default_generator.manual_seed(0)
    model = Blocks(parameters).eval()
    tokens = (torch.arange(8) * 37 % VOCABULARY).view(4, 2)
    before, calls, stop = digest(model), [], {"at": 0, "by": ""}

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) == stop["at"] and stop["by"] == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        elif len(calls) == stop["at"]:
            raise ArithmeticError("stop")
        return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    grid = POINTS if parameters > 1e8 else FEW
    lent = {} if way == "copy" else {"lend": True, "keep": way}
    options = {**grid, **lent, "loss": loss, "low_memory": True, "seed": 5, "progress": False}
    found: dict[str, object] = {"parameters": sum(p.numel() for p in model.parameters())}
    try:
        result = fastscape.surface(model, (tokens, tokens.flip(0)), **options)
        found |= {"loss": result.loss.tolist(), "as it was": [digest(model) == before]}
    except (RuntimeError, MemoryError) as error:
        found |= {"error": str(error)[:300], "as it was": [digest(model) == before]}
    evaluations = len(calls)
    for by, at in {"error": 4, "signal": min(evaluations - 1, 12)}.items() if "loss" in found and lent else ():
        stop |= {"at": len(calls) + at, "by": by}
        try:
            fastscape.surface(model, (tokens, tokens.flip(0)), **options)
        except (ArithmeticError, KeyboardInterrupt):
            found["as it was"].append(digest(model) == before)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(float(sys.argv[1])), int(float(sys.argv[2])), sys.argv[3])
