"""What a point is compared with: the naive loop, and the strongest plain loop that torch has."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.problems import Problem
from benchmarks.rivals import Directions

__all__ = ["Values", "naive", "strongest"]

Values = Callable[[Tensor], Tensor]
"""From coordinates [n, 2] on the CPU to losses [n] on the device."""

ALIGNED = 64  # entries; compiled code copies what lies at other addresses
WARM = 3


@torch.no_grad()
def naive(problem: Problem, pair: Directions) -> Values:
    """The double loop of the notebooks: the weights of a point tensor by tensor, one forward pass, the loss read.

    Args:
        problem: The problem, on the device, in the dtype to compute in.
        pair: The directions, likewise.

    Returns:
        What gives the values at some points.
    """
    model = copy.deepcopy(problem.model).eval()
    parameters = dict(model.named_parameters())
    d1, d2 = pair
    theta = {name: parameters[name].detach().clone() for name in d1}

    @torch.no_grad()
    def values(points: Tensor) -> Tensor:
        found = []
        for alpha, beta in points.tolist():
            for name in d1:
                parameters[name].copy_(theta[name] + alpha * d1[name] + beta * d2[name])
            found.append(problem.loss(model(problem.inputs), problem.targets).item())
        return torch.tensor(found, dtype=torch.float64)

    return values


def strongest(problem: Problem, wide: Problem, pair: Directions) -> Values:
    """The best that plain torch does: compiled with max-autotune, static buffers, one CUDA graph for a whole point.

    All moving weights are one vector, which one compiled kernel fills; the parameters are views of it. On a CPU there
    is no graph.

    Args:
        problem: The problem, on the device, in the dtype to compute in.
        wide: The same in float32, in which points are computed before they are rounded.
        pair: The directions in float32.

    Returns:
        What gives the values at some points.
    """
    model = copy.deepcopy(problem.model).eval().requires_grad_(False)
    weights, theta, d1, d2 = _flat(model, dict(wide.model.named_parameters()), pair)
    device = weights.device
    at, loss = torch.zeros(2, device=device), torch.zeros((), dtype=torch.float64, device=device)

    def fill(weights: Tensor, theta: Tensor, d1: Tensor, d2: Tensor, at: Tensor) -> None:
        weights.copy_(theta + at[0] * d1 + at[1] * d2)

    def measure(inputs: Tensor, targets: Tensor) -> Tensor:
        return problem.loss(model(inputs), targets)

    options: dict[str, Any] = {"fullgraph": True, "dynamic": False, "mode": "max-autotune-no-cudagraphs"}
    fill, measure = torch.compile(fill, **options), torch.compile(measure, **options)

    @torch.no_grad()
    def point() -> None:
        fill(weights, theta, d1, d2, at)
        loss.copy_(measure(problem.inputs, problem.targets))

    replay = _captured(point, device)

    @torch.no_grad()
    def values(points: Tensor) -> Tensor:
        on_device = points.float().to(device)
        found = torch.empty(len(points), dtype=torch.float64, device=device)
        for k in range(len(points)):
            at.copy_(on_device[k])
            replay()
            found[k].copy_(loss)
        return found

    return values


def _captured(point: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A CUDA graph of some work, which has run a few times before, on a stream of its own."""
    if device.type != "cuda":
        point()
        return point
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM):
                point()
        torch.cuda.current_stream(device).wait_stream(stream)
        torch.cuda.synchronize(device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            point()
    finally:
        torch.backends.cudnn.benchmark = before
    return graph.replay


def _flat(model: nn.Module, centre: Mapping[str, Tensor], pair: Directions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The weights that move as one vector, whose views the model's parameters become; theta, and both directions."""
    parameters = dict(model.named_parameters())
    places, size = {}, 0
    for name in pair[0]:
        places[name] = size
        size += -(-parameters[name].numel() // ALIGNED) * ALIGNED
    example = next(iter(parameters.values()))

    def vector(tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        flat = torch.zeros(size, dtype=dtype, device=example.device)
        for name, start in places.items():
            flat[start : start + tensors[name].numel()] = tensors[name].detach().flatten()
        return flat

    weights = vector(parameters, example.dtype)
    theta, d1, d2 = (vector(tensors, torch.float32) for tensors in (centre, *pair))
    for name, start in places.items():
        parameter = parameters[name]
        parameter.data = weights[start : start + parameter.numel()].view(parameter.shape)
    return weights, theta, d1, d2
