"""The law, in plain code: what a user gets who loads the weights of a point into a fresh copy of the model.

Nothing here comes from fastscape, not even a step that both would need: what is shared could be wrong in both, and
nobody would notice. Every point gets a model of its own from the constructor, because a copy of one that was called
may hold what that call left.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.zoo.network import Network, seeded, tensors_of

X, Y = [-0.7, 0.0, 1.0], [-1.0, 0.1, 0.6]  # no symmetry, so that no exchange of axes or signs is missed
SHARE, LEAST = 0.3, 0.05  # root mean square of a direction: as a fraction of its tensor's, and at least
PASSES = len(X) * len(Y)

Weights = Mapping[str, Tensor]


def directions(model: nn.Module) -> list[dict[str, Tensor]]:
    """Two directions, in which every floating-point parameter moves."""
    generator = torch.Generator().manual_seed(11)

    def direction() -> dict[str, Tensor]:
        return {
            name: torch.randn(p.shape, dtype=torch.float64, generator=generator) * _size(p)
            for name, p in model.named_parameters()
            if p.is_floating_point()
        }

    return [direction(), direction()]


def _size(parameter: Tensor) -> float:
    return max(SHARE * float(parameter.detach().double().square().mean().sqrt()), LEAST)


def expected(network: Network, given: Weights, pair: list[dict[str, Tensor]], *, train: bool) -> np.ndarray:
    """The loss at every point [3, 3].

    Args:
        network: The network.
        given: The state dict of the model that fastscape is given.
        pair: The directions.
        train: Whether all but batch normalisation is in training mode.

    Returns:
        Means over the samples, float64; NaN at a point where plain code gives another value each time.
    """
    values = np.array([[_point(network, given, (a, b), pair, train) for b in Y] for a in X])
    if _point(network, given, (X[0], Y[0]), pair, train) != values[0, 0]:
        values[0, 0] = np.nan
    return values


def _point(network: Network, given: Weights, at: tuple[float, float], pair: list[Weights], train: bool) -> float:
    model = _fresh(network, given, train)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in pair[0]:
                parameter.copy_(given[name].double() + at[0] * pair[0][name] + at[1] * pair[1][name])
        return _mean(network, model, [_double(batch) for batch in network.batches()])


def _fresh(network: Network, given: Weights, train: bool) -> nn.Module:
    """A model from the constructor with the state that is given, in double precision, in its mode."""
    model = network.built()
    model.load_state_dict(given)
    model.double().train(train)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    return model


def _mean(network: Network, model: nn.Module, batches: list[Any]) -> float:
    """The mean over all samples; the number of a batch seeds what the model draws there."""
    total, samples = 0.0, 0
    for number, batch in enumerate(batches):
        size = _samples(batch)
        seeded(number)
        total += float(network.loss(model, batch)) * size
        samples += size
    return total / samples


def _samples(batch: Any) -> int:
    """What a batch counts as: its samples, where all of its tensors have one length; else one, as is documented."""
    lengths = {len(tensor) for tensor in tensors_of(batch)}
    return lengths.pop() if len(lengths) == 1 else 1


def _double(content: Any) -> Any:
    """A batch with its floating-point tensors in double precision."""
    if isinstance(content, Tensor):
        return content.double() if content.is_floating_point() else content.clone()
    if isinstance(content, Mapping):
        changed = copy.copy(content)
        for key, part in content.items():
            changed[key] = _double(part)
        return changed
    return type(content)(map(_double, content)) if isinstance(content, tuple | list) else content


def narrow(network: Network, given: Weights) -> bool:
    """Whether the model, or what its user measures, computes in float32 although weights and inputs are double."""
    model, watching = _fresh(network, given, train=False), _Narrow()
    batches = [_double(batch) for batch in network.batches()]
    with torch.no_grad(), watching:
        network.loss(model, batches[0])
    return watching.seen


class _Narrow(TorchDispatchMode):
    """Watches for results that are floating-point and no double."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        tensors = (leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor))
        self.seen = self.seen or any(t.is_floating_point() and t.dtype != torch.float64 for t in tensors)
        return made


def seconds_of_passes(network: Network, given: Weights) -> float:
    """Processor seconds of as many plain forward passes over the data as there are points, in evaluation mode."""
    model = _fresh(network, given, train=False)
    batches = [_double(batch) for batch in network.batches()]
    with torch.no_grad():
        _mean(network, model, batches)  # what a first call does is no part of a pass
        started = time.process_time()
        for _ in range(PASSES):
            _mean(network, model, batches)
    return time.process_time() - started
