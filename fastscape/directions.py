"""Directions through weight space, as flat vectors. One function a source; today: random ones.

Scaling a direction to the weights is the schemes' work (`fastscape.schemes.directions_first`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fastscape.weights import Layout

__all__ = ["check_seed", "direction_random"]


def check_seed(seed: int) -> None:
    """Refuses what is no seed.

    Args:
        seed: An integer from 0.

    Raises:
        ValueError: When it is something else.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed={seed!r} cannot be used; wanted an integer from 0, for example seed=0")


def direction_random(layout: Layout, seed: int, axis: int, *, dtype: torch.dtype = torch.float64) -> Tensor:
    """A Gaussian random direction: independent standard normal entries.

    Every pair of seed and axis has a stream of its own. The numbers are drawn in float64 on the CPU and in the
    order and shape of the model's tensors, so that the direction is the same for every precision and device and
    however the weights are stored. Running variances, among the states, do not move: they must stay positive.

    Args:
        layout: The flat buffer that the direction belongs to.
        seed: Any integer from 0; other seeds give other directions.
        axis: 0 for the direction of x, 1 for that of y.
        dtype: Of the result; default float64.

    Returns:
        Direction [P] on the CPU; the padding of the layout is 0.

    Raises:
        ValueError: When the seed is not an integer from 0.

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
    stream = np.random.SeedSequence([int(seed), axis]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(stream >> np.uint64(1)))  # manual_seed takes 63 bits
    drawn = {}
    for entry in layout.entries:
        drawn[entry.name] = torch.randn(entry.shape, generator=generator, dtype=torch.float64, device="cpu")
        if entry.variance:  # noise would make it negative
            drawn[entry.name].zero_()
    return layout.flatten(drawn, dtype=dtype, device="cpu")
