"""Directions through weight space, as flat vectors. One function a source: random, between models, given.

Scaling a direction to the weights is the work of `fastscape.norms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.kernels import Distribution, draw
from fastscape.selection import own_buffers
from fastscape.weights import Layout

__all__ = [
    "Direction",
    "Distribution",
    "check_directions",
    "check_distribution",
    "check_seed",
    "direction_between",
    "direction_from",
    "direction_given",
    "direction_random",
]

Direction: TypeAlias = "nn.Module | Mapping[str, Tensor] | Tensor"


def check_seed(seed: int) -> None:
    """Refuses what is no seed.

    Args:
        seed: An integer from 0 to 2^64 - 1.

    Raises:
        ValueError: When it is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
        raise ValueError(f"seed={seed!r} cannot be used; wanted an integer from 0 to 2^64 - 1, for example seed=0")


def check_distribution(distribution: str) -> None:
    """Refuses what is no distribution.

    Args:
        distribution: "normal", "uniform" or "rademacher".

    Raises:
        ValueError: When it is something else.
    """
    if distribution not in get_args(Distribution):
        raise ValueError(
            f"distribution={distribution!r} is unknown; wanted one of {', '.join(map(repr, get_args(Distribution)))}"
        )


def direction_random(
    layout: Layout,
    seed: int,
    axis: int,
    *,
    distribution: Distribution = "normal",
    out: Tensor | None = None,
) -> Tensor:
    """A random direction with independent entries.

    Entry p of the flat buffer is a function of the seed, the axis and p alone (`fastscape.kernels.draw`), so that the
    direction is the same for every precision and device, to rounding, and can be computed again piece by piece. It is
    drawn by torch in float64 on every device. Every pair of seed and axis has a stream of its own. Another selection
    of tensors is another buffer, and gives other numbers. Running variances, among the states, do not move: they must
    stay positive.

    Args:
        layout: The flat buffer that the direction belongs to.
        seed: From 0 to 2^64 - 1; other seeds give other directions.
        axis: 0 for the direction of x, 1 for that of y.
        distribution: "normal", standard normal (Li et al.); "uniform", from 0 to 1 (the notebook "Navigating
            Through Loss Space"; its two directions are far from orthogonal); "rademacher", -1 or 1. Default
            "normal".
        out: Where to write it [P]; default: new memory on the CPU, float64.

    Returns:
        Direction [P]; the padding of the layout is 0.

    Raises:
        ValueError: When the seed or the distribution is none.

    Example:
        >>> import torch
        >>> from fastscape.directions import direction_random
        >>> from fastscape.weights import layout_of
        >>> layout = layout_of(torch.nn.Linear(3, 2))
        >>> bool((direction_random(layout, seed=0, axis=0) == direction_random(layout, seed=0, axis=0)).all())
        True

    Source: Li et al. 2018, arXiv 1712.09913, section 4 ("a random Gaussian direction").
    """
    check_seed(seed)
    check_distribution(distribution)
    direction = torch.empty(layout.size, dtype=torch.float64, device="cpu") if out is None else out
    draw(direction, int(seed), axis, distribution=distribution, backend="torch")
    starts = layout.segments.starts.tolist()
    for still in (~layout.drawn).nonzero().flatten().tolist():
        direction[starts[still] : starts[still + 1]] = 0
    return direction


def direction_between(layout: Layout, model: nn.Module, other: nn.Module) -> Tensor:
    """The direction `theta_other - theta` from one model to another of the same architecture.

    Args:
        layout: The flat buffer that the direction belongs to.
        model: Where the direction starts.
        other: Where coordinate 1 lies.

    Returns:
        Direction [P], float64, on the CPU.

    Raises:
        ValueError: When the other model lacks a tensor, or has another shape of it.

    Example:
        >>> import torch
        >>> from fastscape.directions import direction_between
        >>> from fastscape.weights import layout_of
        >>> a, b = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
        >>> d = direction_between(layout_of(a), a, b)
        >>> torch.allclose(layout_of(a).unflatten(d)["weight"], (b.weight - a.weight).double(), atol=1e-7)
        True

    Source: Goodfellow et al. 2015, arXiv 1412.6544; Garipov et al. 2018, arXiv 1802.10026.
    """
    ends = []
    for end in (model, other):
        tensors = {**dict(end.named_parameters()), **own_buffers(end)}
        missing = [entry.name for entry in layout.entries if entry.name not in tensors]
        if missing:
            raise ValueError(
                f"the other model, a {type(end).__name__}, has no {', '.join(missing[:4])}; wanted one of the same "
                "architecture"
            )
        ends.append(layout.flatten(tensors, dtype=torch.float64, device="cpu"))
    return ends[1] - ends[0]


def direction_given(layout: Layout, direction: Mapping[str, Tensor] | Tensor) -> Tensor:
    """A direction of the user's own.

    Args:
        layout: The flat buffer that the direction belongs to.
        direction: A tensor for each tensor that moves, by name and in its shape; or all of their entries as one
            vector, in the order of the model, as `torch.nn.utils.parameters_to_vector` makes it.

    Returns:
        Direction [P], float64, on the CPU.

    Raises:
        TypeError: When the direction is something else.
        ValueError: When it has another length or shape, names a tensor that does not move, or lacks one that does.

    Example:
        >>> import torch
        >>> from fastscape.directions import direction_given
        >>> from fastscape.weights import layout_of
        >>> direction_given(layout_of(torch.nn.Linear(2, 1)), torch.tensor([3.0, 4.0]))[:3].tolist()
        [3.0, 4.0, 0.0]
    """
    names = [entry.name for entry in layout.entries]
    if isinstance(direction, Tensor):
        if direction.shape != (layout.perturbed,):
            raise ValueError(
                f"a direction came with shape {tuple(direction.shape)}; wanted ({layout.perturbed},), the entries of "
                f"{', '.join(names[:4])}{', ...' if len(names) > 4 else ''} one behind the other"
            )
        parts = direction.split([entry.numel for entry in layout.entries])
        direction = {e.name: part.view(e.shape) for e, part in zip(layout.entries, parts, strict=True)}
    if not isinstance(direction, Mapping):
        raise TypeError(
            f"a direction came as {type(direction).__name__}; wanted a module, a dict of tensors by name, or a vector"
        )
    for odd, fault in ((set(direction) - set(names), "does not move"), (set(names) - set(direction), "is missing")):
        if odd:
            raise ValueError(
                f"in a direction, {min(odd)} {fault}; wanted tensors for {', '.join(names[:4])}"
                f"{', ...' if len(names) > 4 else ''}: choose with perturb="
            )
    return layout.flatten(direction, dtype=torch.float64, device="cpu")


def direction_from(given: Direction, layout: Layout, model: nn.Module, *, out: Tensor) -> Tensor:
    """A direction that a user gave, by its source.

    Args:
        given: A module, a dict or a vector.
        layout: The flat buffer that the direction belongs to.
        model: The model at the centre.
        out: Where to write it [P].

    Returns:
        `out`.
    """
    source = (
        direction_between(layout, model, given) if isinstance(given, nn.Module) else direction_given(layout, given)
    )
    return out.copy_(source)


def check_directions(given: Any, count: int) -> None:
    """Refuses what is no sequence of directions, one for each axis.

    Args:
        given: What the user gave; None for random directions.
        count: Number of axes.

    Raises:
        TypeError: When it is no list or tuple.
        ValueError: When it has another length.
    """
    if given is None:
        return
    if not isinstance(given, list | tuple):
        raise TypeError(f"directions came as {type(given).__name__}; wanted a list or tuple of {count}")
    if len(given) != count:
        raise ValueError(f"{len(given)} directions came; wanted {count}, one for each axis")
