"""The slow truth: double loops over the grid that anyone can read.

Nothing here shares code with the engine or the kernels, so that agreement with them means something. Directions are
dictionaries of tensors in the model's own shapes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["filter_normalised", "surface", "surface_naive"]

Direction = Mapping[str, Tensor]


def filter_normalised(direction: Direction, model: nn.Module) -> dict[str, Tensor]:
    """The direction with every filter scaled to the norm of the model's filter.

    Args:
        direction: Tensors by parameter name.
        model: The model, whose parameters give the norms.

    Returns:
        The normalised direction in its own dtype; a filter whose norm is 0 becomes 0.

    Source: Li et al. 2018, arXiv 1712.09913, section 4.
    """
    normalised = {}
    for name, d in direction.items():
        layer = name.split(".parametrizations.")[0] if ".parametrizations." in name else name.rpartition(".")[0]
        owner = model.get_submodule(layer)
        theta = model.get_parameter(name).detach().to(d.dtype)
        normalised[name] = d.clone()
        for filter_d, filter_theta in zip(_filters(normalised[name], owner), _filters(theta, owner), strict=True):
            norm = filter_d.norm()
            filter_d.mul_(filter_theta.norm() / norm if norm > 0 else 0.0)
    return normalised


def _filters(tensor: Tensor, owner: nn.Module) -> Iterator[Tensor]:
    """What produces one output channel each; a tensor of fewer than two dimensions is one filter."""
    if tensor.dim() < 2:
        yield tensor
    elif isinstance(owner, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d) and tensor.shape[1] > 1:
        inputs = len(tensor) // owner.groups  # the weight is [inputs of all groups, outputs of one group, ...]
        for group in range(owner.groups):
            for channel in range(tensor.shape[1]):
                yield tensor[group * inputs : (group + 1) * inputs, channel]
    else:
        yield from tensor


def surface(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    directions: tuple[Direction, Direction],
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    loss: Callable[[Any, Tensor], Tensor] = F.cross_entropy,
    dtype: torch.dtype = torch.float64,
) -> np.ndarray:
    """The loss at `theta + x[i] d1 + y[j] d2`, one `functional_call` on the whole batch for each point.

    Args:
        model: The model; it is not changed.
        inputs: Inputs [n, ...].
        targets: Targets [n, ...].
        directions: d1 and d2, already normalised; what they do not name does not move.
        x: Coordinates [H] along d1.
        y: Coordinates [W] along d2.
        loss: `f(outputs, targets)`, the mean over the batch. Default: cross-entropy.
        dtype: Of the whole computation. Default float64.

    Returns:
        Values [H, W], float64; element i, j belongs to x[i], y[j].

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2.
    """
    model = copy.deepcopy(model).to(dtype).eval()
    d1, d2 = ({name: d.to(dtype) for name, d in direction.items()} for direction in directions)
    inputs, targets = (t.to(dtype) if t.is_floating_point() else t for t in (inputs, targets))
    theta = {name: p.detach() for name, p in model.named_parameters()}
    values = np.empty((len(x), len(y)))
    with torch.no_grad():
        for i, alpha in enumerate(x):
            for j, beta in enumerate(y):
                moved = {name: theta[name] + alpha * d1[name] + beta * d2[name] for name in d1}
                values[i, j] = loss(functional_call(model, moved, (inputs,)), targets).item()
    return values


def surface_naive(
    model: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    directions: tuple[Direction, Direction],
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    loss: Callable[[Any, Tensor], Tensor] = F.cross_entropy,
) -> np.ndarray:
    """The same surface as people write it first: copy the weights into the model, run the batch, read the loss.

    The baseline of the benchmarks. It computes in the model's own dtype.

    Args:
        model: The model; a copy of it is written to.
        inputs: Inputs [n, ...].
        targets: Targets [n, ...].
        directions: d1 and d2, already normalised; what they do not name does not move.
        x: Coordinates [H] along d1.
        y: Coordinates [W] along d2.
        loss: `f(outputs, targets)`, the mean over the batch. Default: cross-entropy.

    Returns:
        Values [H, W], float64; element i, j belongs to x[i], y[j].
    """
    model = copy.deepcopy(model).eval()
    parameters = dict(model.named_parameters())
    d1, d2 = directions
    theta = {name: parameters[name].detach().clone() for name in d1}
    values = np.empty((len(x), len(y)))
    with torch.no_grad():
        for i, alpha in enumerate(x):
            for j, beta in enumerate(y):
                for name in d1:
                    parameters[name].copy_(theta[name] + alpha * d1[name] + beta * d2[name])
                values[i, j] = loss(model(inputs), targets).item()
    return values
