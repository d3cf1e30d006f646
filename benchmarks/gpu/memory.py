"""The most memory that a plan takes, beside what the cost model predicts.

The prediction: one more model, theta, two directions and a chunk of points, as `benchmarks.costs.memory` says; the
samples; and what a bare forward pass of one microbatch takes at most, for every point of a chunk under vmap. The
problem itself, which is there before, counts on neither side.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from benchmarks import costs
from benchmarks.gpu.points import FIRST, PLANS, TINY, evaluator_of, offered, on_device, setting_problem
from benchmarks.gpu.setting import Entry, Setting

__all__ = ["entries"]

LABELS = "loop", "graphs", "vmap", "graphs, overlap", "compiled"
WIDTHS = {"float32": 4, "bfloat16": 2}


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    made = []
    for precision in WIDTHS:
        for name in TINY[:1] if setting.tiny else FIRST:
            for label in LABELS:
                slow = PLANS[label].get("compile", False)
                seconds = 1 if setting.tiny else 60 if slow else 5
                rank = 6 if slow else 3 if precision == "float32" else 5
                run = partial(measured, setting, name, precision, label)
                made.append(Entry(f"{name}, {precision}: {label}", run, seconds, rank))
    return made


def measured(setting: Setting, name: str, precision: str, label: str) -> dict[str, Any]:
    """The peak of two chunks of points, and what is predicted of it."""
    problem, pair = setting_problem(setting, name)
    plan = offered(setting, PLANS[label], problem)
    activations = _activations(setting, name, precision)
    before = _begin(setting)
    evaluator = evaluator_of(setting, problem, pair, precision, plan)
    try:
        chunk = min(evaluator.plan.chunk, 4) if setting.tiny else evaluator.plan.chunk
        points = 2 * torch.rand(2 * chunk, 2, dtype=torch.float64, generator=setting.generator("memory")) - 1
        for part in points.split(chunk):
            evaluator.sums(part)
        peak = _peak(setting) - before
        plan = evaluator.plan
    finally:
        evaluator.close()
    weights = sum(p.numel() for p in problem.model.parameters())
    held = costs.memory(weights, chunk=chunk, width=WIDTHS[precision])
    samples = sum(t.numel() * t.element_size() for t in (problem.inputs, problem.targets))
    share = min(plan.microbatch / len(problem.inputs), 1.0)
    predicted = held + samples + activations * share * (chunk if plan.batching == "vmap" else 1)
    return {
        "peak megabytes": peak / 1e6 if setting.gpu else None,
        "predicted megabytes": predicted / 1e6,
        "of it weights": held / 1e6,
        "of the prediction": peak / predicted if setting.gpu else None,
        "chunk": chunk,
        "plan": plan.as_dict(),
    }


@torch.no_grad()
def _activations(setting: Setting, name: str, precision: str) -> int:
    """Bytes that a bare forward pass over all samples takes at most."""
    own, _ = on_device(setting, name, precision)
    own.loss(own.model(own.inputs), own.targets)  # what a library takes once, at its first use, is no activation
    before = _begin(setting)
    own.loss(own.model(own.inputs), own.targets)
    return _peak(setting) - before


def _begin(setting: Setting) -> int:
    """Bytes that are taken now, and the peak is forgotten."""
    if not setting.gpu:
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(setting.device)
    return torch.cuda.memory_allocated(setting.device)


def _peak(setting: Setting) -> int:
    """The most bytes that were taken since then; of a CPU torch does not know."""
    return torch.cuda.max_memory_allocated(setting.device) if setting.gpu else 0
