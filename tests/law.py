"""The law that every value obeys, by code that shares no step with the library.

A value is what a user gets who loads the weights into a fresh copy of the model, calls it in the state in which it was
given, on the batches as the data give them, and averages by samples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

AXIS = [-0.5, 0.1, 0.4]


def directions_of(model: nn.Module, seed: int = 0, scale: float = 0.3) -> list[dict[str, Tensor]]:
    """Two directions of the weights of two dimensions or more, drawn by torch."""
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            name: scale * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
            for name, p in model.named_parameters()
            if p.dim() > 1
        }
        for _ in range(2)
    ]


def by_law(
    make: Callable[[], nn.Module],
    given: nn.Module,
    batches: Sequence[Any],
    measure: Callable[[nn.Module, Any], Tensor],
    directions: Sequence[dict[str, Tensor]],
    *,
    samples: Callable[[Any], int] = lambda batch: len(batch[1]),
    seeds: bool = False,
) -> np.ndarray:
    """The values on the grid of `AXIS` along both directions.

    Args:
        make: Makes a fresh model.
        given: The model whose weights are loaded.
        batches: The data.
        measure: The mean loss of a batch.
        directions: By the names of parameters.
        samples: How many samples a batch counts as.
        seeds: Whether the generator is seeded before every batch with its number.

    Returns:
        Values [3, 3].
    """
    state = {name: tensor.detach().clone() for name, tensor in given.state_dict().items()}
    values = np.zeros((len(AXIS), len(AXIS)))
    for i, a in enumerate(AXIS):
        for j, b in enumerate(AXIS):
            moved = dict(state)
            for name in directions[0]:
                moved[name] = state[name] + a * directions[0][name] + b * directions[1][name]
            total = 0.0
            for k, batch in enumerate(batches):
                model = make()
                model.load_state_dict(moved)
                if model.training != given.training:
                    model.train(given.training)
                if seeds:
                    torch.manual_seed(k)
                with torch.no_grad():
                    total += samples(batch) * float(measure(model, batch))
            values[i, j] = total / sum(map(samples, batches))
    return values
