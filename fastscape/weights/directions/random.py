"""Random directions: every entry depends only on the seed, the axis and its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, get_args

import numpy as np
import torch
from torch import Tensor

from fastscape.kernels import Distribution, draw
from fastscape.weights.directions.source import Directions
from fastscape.weights.layout import Layout
from fastscape.weights.selection import NamedPerturb

__all__ = ["Random", "check_distribution", "check_seed", "direction_random"]


@dataclass(frozen=True)
class Random:
    """Independent random directions.

    Args:
        seed: From 0 to 2^64 - 1.
        distribution: See `direction_random`. Default "normal".

    Raises:
        ValueError: When the seed or the distribution is invalid.
    """

    perturb: ClassVar[NamedPerturb] = "weights"
    normalize: ClassVar[str | None] = None  # the scheme's own

    seed: int = 0
    distribution: Distribution = "normal"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_distribution(self.distribution)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the report says of the directions."""
        return {"directions": "random", "distribution": self.distribution, "seed": int(self.seed)}

    def directions(self, layout: Layout, theta: Mapping[str, Tensor], axes: int) -> Directions:
        """A direction for each axis. See `Source.directions`."""
        draws = (partial(direction_random, layout, self.seed, k, distribution=self.distribution) for k in range(axes))
        return Directions(tuple(draws))


def check_seed(seed: int) -> None:
    """Refuses an invalid seed.

    Args:
        seed: An integer from 0 to 2^64 - 1.

    Raises:
        ValueError: When it is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
        raise ValueError(f"seed must be an integer from 0 to 2^64 - 1, got {seed!r}; for example seed=0")


def check_distribution(distribution: str) -> None:
    """Refuses an unknown distribution.

    Args:
        distribution: "normal", "uniform" or "rademacher".

    Raises:
        ValueError: When it is something else.
    """
    if distribution not in get_args(Distribution):
        raise ValueError(
            f"distribution must be one of {', '.join(map(repr, get_args(Distribution)))}, got {distribution!r}"
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

    Entry p of the flat buffer is a function of only the seed, the axis and p (`fastscape.kernels.draw`). So the
    direction is the same for every precision and device, to rounding, and can be computed again piece by piece. Torch
    draws it in float64 on every device. Every pair of seed and axis has its own stream. A different selection of
    tensors is a different buffer, and gives different numbers. A complex entry gets two numbers: its real and its
    imaginary part are independent. Running variances, which are among the states, do not move, because they must stay
    positive.

    Args:
        layout: The flat buffer that the direction belongs to.
        seed: From 0 to 2^64 - 1; different seeds give different directions.
        axis: 0 for the direction of x, 1 for the direction of y.
        distribution: "normal", standard normal (Li et al.); "uniform", from 0 to 1 (the notebook "Navigating
            Through Loss Space"; its two directions are far from orthogonal); "rademacher", -1 or 1. Default
            "normal".
        out: Where to write it [P]; default: new memory on the CPU, float64.

    Returns:
        Direction [P]; the padding of the layout is 0.

    Raises:
        ValueError: When the seed or the distribution is invalid.

    Example:
        >>> import torch
        >>> from fastscape.weights import direction_random, layout_of
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
