"""What no loop over the points can be faster than: the model alone, compiled, and of it the convolutions alone."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.problems import Problem
from benchmarks.rivals import BATCH

__all__ = ["bare_convolutions", "bare_forward", "median_seconds"]


def bare_forward(problem: Problem, precision: str, backend: str = "inductor") -> Callable[[], None]:
    """The model alone, with its own weights, compiled, images channels-last: a pass over all samples, no landscape.

    Args:
        problem: The problem.
        precision: Of weights and activations: "float32" or "bfloat16".
        backend: That torch compiles with. Default "inductor".

    Returns:
        A function of nothing that does one pass.
    """
    model, batches = _prepared(problem, precision)
    compiled = torch.compile(model, backend=backend, dynamic=False)

    @torch.no_grad()
    def forward() -> None:
        for inputs in batches:
            compiled(inputs)

    return forward


def bare_convolutions(problem: Problem, precision: str) -> Callable[[], None] | None:
    """The convolutions of such a pass and nothing else, each with the input that it gets in the model.

    Args:
        problem: The problem.
        precision: Of weights and activations: "float32" or "bfloat16".

    Returns:
        A function of nothing that does all of them, or None where the model has none.
    """
    model, batches = _prepared(problem, precision)
    calls: list[tuple[nn.Conv2d, Tensor]] = []

    def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
        assert isinstance(module, nn.Conv2d)
        calls.append((module, arguments[0]))

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(note)
    with torch.no_grad():
        for inputs in batches:
            model(inputs)

    @torch.no_grad()
    def convolve() -> None:
        for conv, inputs in calls:
            F.conv2d(inputs, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups)

    return convolve if calls else None


def median_seconds(run: Callable[[], None], times: int) -> float:
    """Median seconds of some calls, after one that is not counted."""
    run()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _prepared(problem: Problem, precision: str) -> tuple[nn.Module, list[Tensor]]:
    """A copy of the model and its batches, in this precision, images channels-last."""
    dtype = getattr(torch, precision)
    layout = torch.channels_last if problem.inputs.dim() == 4 else torch.contiguous_format
    model = copy.deepcopy(problem.model).to(dtype, memory_format=layout)
    inputs = problem.inputs.to(dtype) if problem.inputs.is_floating_point() else problem.inputs
    return model, [batch.to(memory_format=layout) for batch in inputs.split(BATCH)]
