"""The slow reference: plain double loops over the grid, against which all fast values are tested.

Nothing here shares code with the engine or the kernels, so agreement is evidence. Directions are dictionaries of
tensors in the model's own shapes.
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

    Example:
        >>> import torch
        >>> model = torch.nn.Linear(3, 2)
        >>> d = filter_normalised({"weight": torch.randn(2, 3)}, model)
        >>> torch.allclose(d["weight"].norm(dim=1), model.weight.norm(dim=1))
        True

    Source: Li et al. 2018, arXiv 1712.09913, section 4.
    """
    normalised = {}
    for name, d in direction.items():
        layer = name.split(".parametrizations.")[0] if ".parametrizations." in name else name.rpartition(".")[0]
        owner = model.get_submodule(layer)
        theta = model.get_parameter(name).detach()
        theta = theta.to(_kind(theta, d.real.dtype))
        normalised[name] = d.clone()
        for filter_d, filter_theta in zip(_filters(normalised[name], owner), _filters(theta, owner), strict=True):
            norm = filter_d.norm()
            filter_d.mul_(filter_theta.norm() / norm if norm > 0 else 0.0)
    return normalised


def _filters(tensor: Tensor, owner: nn.Module) -> Iterator[Tensor]:
    """The filters of a tensor, one per output channel; a tensor of fewer than two dimensions is one filter."""
    if tensor.dim() < 2:
        yield tensor
    elif (
        isinstance(owner, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        and tuple(tensor.shape[2:]) == owner.kernel_size  # not the magnitudes of a weight norm
    ):
        inputs = len(tensor) // owner.groups  # the weight is [inputs of all groups, outputs per group, ...]
        for group in range(owner.groups):
            for channel in range(tensor.shape[1]):
                yield tensor[group * inputs : (group + 1) * inputs, channel]
    else:
        yield from tensor


def surface(
    model: nn.Module,
    batch: Any,
    directions: tuple[Direction, Direction],
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    *,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    objective: Callable[[Callable[..., Any], Any], Tensor] | None = None,
    dtype: torch.dtype = torch.float64,
) -> np.ndarray:
    """The loss at `theta + x[i] d1 + y[j] d2`, by one `functional_call` on the whole batch per point.

    Args:
        model: The model; it is not changed.
        batch: All samples: inputs and targets, or any batch for an objective.
        directions: d1 and d2, already normalised; what they do not name does not move.
        x: Coordinates [H] along d1.
        y: Coordinates [W] along d2.
        loss: `f(outputs, targets)`, the mean over the batch, or one value per sample. Default: cross-entropy.
        objective: `f(call, batch)`, instead of the loss. Default: none.
        dtype: Precision of the whole computation; complex tensors are complex128 with float64, else complex64.
            Default float64.

    Returns:
        Values [H, W], float64; element i, j belongs to x[i], y[j].

    Example:
        >>> import torch
        >>> model, batch = torch.nn.Linear(3, 2), (torch.rand(5, 3), torch.randint(2, (5,)))
        >>> directions = tuple({"weight": torch.randn(2, 3)} for _ in "xy")
        >>> surface(model, batch, directions, [-1.0, 0.0, 1.0], [0.0]).shape
        (3, 1)

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2.
    """
    model = copy.deepcopy(model)._apply(lambda tensor: tensor.to(_kind(tensor, dtype))).eval()
    d1, d2 = ({name: d.to(_kind(d, dtype)) for name, d in direction.items()} for direction in directions)
    theta = {name: p.detach() for name, p in model.named_parameters()}
    values = np.empty((len(x), len(y)))
    for i, alpha in enumerate(x):
        for j, beta in enumerate(y):
            moved = {name: theta[name] + alpha * d1[name] + beta * d2[name] for name in d1}
            fixed = {name: b.clone() for name, b in model.named_buffers()}  # a forward pass may write to them

            def call(*args: Any, at: Direction = {**theta, **fixed, **moved}, **kwargs: Any) -> Any:  # noqa: B006
                return functional_call(model, dict(at), args, kwargs)

            own = _converted(batch, dtype)
            if objective is not None:
                value = objective(call, own)
            else:
                inputs, targets = own
                value = loss(_outputs(call, inputs), targets)
            values[i, j] = value.mean().item()
    return values


def _outputs(call: Callable[..., Any], inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return call(**inputs)
    return call(*inputs) if isinstance(inputs, tuple) else call(inputs)


def _kind(tensor: Tensor, dtype: torch.dtype) -> torch.dtype:
    """The dtype of a tensor in a precision; complex tensors stay complex."""
    if tensor.is_complex():
        return torch.complex128 if dtype == torch.float64 else torch.complex64
    return dtype if tensor.is_floating_point() else tensor.dtype


def _converted(part: Any, dtype: torch.dtype) -> Any:
    """A copy of a batch in another precision."""
    if isinstance(part, Tensor):
        return part.clone().to(_kind(part, dtype))
    if isinstance(part, tuple | list):
        return type(part)(_converted(item, dtype) for item in part)
    if isinstance(part, dict):
        return {name: _converted(item, dtype) for name, item in part.items()}
    copied = copy.copy(part)
    for name, item in vars(part).items():
        setattr(copied, name, _converted(item, dtype))
    return copied


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
    """The surface by the usual first script: copy the weights into the model, run the batch, read the loss.

    This is the baseline of the benchmarks. It computes in the model's own dtype.

    Args:
        model: The model. The weights are written into a copy of it.
        inputs: Inputs [n, ...].
        targets: Targets [n, ...].
        directions: d1 and d2, already normalised; what they do not name does not move.
        x: Coordinates [H] along d1.
        y: Coordinates [W] along d2.
        loss: `f(outputs, targets)`, the mean over the batch. Default: cross-entropy.

    Returns:
        Values [H, W], float64; element i, j belongs to x[i], y[j].

    Example:
        >>> import torch
        >>> model, inputs, targets = torch.nn.Linear(3, 2), torch.rand(5, 3), torch.randint(2, (5,))
        >>> directions = tuple({"weight": torch.randn(2, 3)} for _ in "xy")
        >>> surface_naive(model, inputs, targets, directions, [-1.0, 0.0, 1.0], [0.0]).shape
        (3, 1)

    Source: Li et al. 2018, arXiv 1712.09913, section 3.2.
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
