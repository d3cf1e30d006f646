"""Correlates the activations of the units of two networks on the same samples.

Source: Li et al. 2015, arXiv 1511.07543; Ainsworth et al. 2023, arXiv 2209.04836, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from fastscape.model import Batch, Problem
from fastscape.paths.alignment.ground import Atoms
from fastscape.paths.alignment.likeness import Floats
from fastscape.paths.alignment.proof import Traced, run_in
from fastscape.paths.alignment.tracing import Seen, counts, name_of_operation
from fastscape.paths.alignment.wide import Wide

__all__ = ["correlations"]


class _Listening(Wide):
    """Keeps the results of some operations.

    Args:
        wanted: The numbers of the operations.
    """

    def __init__(self, wanted: Mapping[int, Seen]) -> None:
        super().__init__()
        self._wanted = wanted
        self.names: list[str] = []
        self.found: dict[int, Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = self.computed(func, args, kwargs or {})
        if counts(func):
            self.names.append(name_of_operation(func))
            tensors = [leaf for leaf in tree_leaves(made) if isinstance(leaf, Tensor)]
            if len(self.names) - 1 in self._wanted and len(tensors) == 1:
                self.found[len(self.names) - 1] = tensors[0].detach().clone()
        return made


class _Moments:
    """Sums of activations, from which correlations follow."""

    def __init__(self, count: int) -> None:
        self.products = torch.zeros(count, count, dtype=torch.float64)
        self.sums = torch.zeros(2, count, dtype=torch.float64)
        self.squares = torch.zeros(2, count, dtype=torch.float64)
        self.number = 0

    def add(self, one: Tensor, other: Tensor) -> None:
        self.products += (one @ other.T).cpu()
        for at, answers in enumerate((one, other)):
            self.sums[at] += answers.sum(1).cpu()
            self.squares[at] += answers.square().sum(1).cpu()
        self.number += one.shape[1]

    def correlations(self) -> Floats:
        """Correlations of the units of the first network with units of the second [n, n]; 0 for constant units."""
        means = self.sums / self.number
        spread = (self.squares / self.number - means.square()).clamp_min(0).sqrt()
        covariance = self.products / self.number - means[0][:, None] * means[1]
        scale = spread[0][:, None] * spread[1]
        quiet = scale <= 1e-12 * scale.max().clamp_min(1e-300)
        found: Floats = torch.where(quiet, 0.0, covariance / scale.masked_fill(quiet, 1.0)).numpy()
        return found


def correlations(
    problem: Problem, one: Mapping[str, Tensor], other: Mapping[str, Tensor], batches: Sequence[Batch], found: Traced
) -> list[tuple[Atoms, Floats]]:
    """Computes the correlations of the activations of two networks.

    Args:
        problem: What is evaluated.
        one: The weights of the first network, by name.
        other: The weights of the second network, by name.
        batches: The samples, in batches of the traced size: for other sizes it is unknown which places belong to
            samples.
        found: The trace of the network.

    Returns:
        Atoms [n], and the correlations of the places of the first network with the places of the second [n, n].

    Raises:
        ValueError: When the networks do not use the same operations.
    """
    wanted = {seen.number: seen for seen in found.seen}
    moments: dict[bytes, tuple[Atoms, _Moments]] = {}
    for index, batch in enumerate(batches):
        heard = [_heard(problem, weights, batch, index, wanted) for weights in (one, other)]
        for listening in heard:
            _check_alike(listening, wanted, found.names)
        for number, seen in wanted.items():
            for places, atoms in seen.bundles:
                units = [_by_unit(listening.found[number], seen, places) for listening in heard]
                flat = atoms.ravel()
                moments.setdefault(flat.tobytes(), (flat, _Moments(len(flat))))[1].add(units[0], units[1])
    return [(atoms, kept.correlations()) for atoms, kept in moments.values()]


def _heard(
    problem: Problem, weights: Mapping[str, Tensor], batch: Batch, index: int, wanted: Mapping[int, Seen]
) -> _Listening:
    listening: list[_Listening] = []

    def mode(_held: Any, _content: Any) -> _Listening:
        listening.append(_Listening(wanted))
        return listening[0]

    run_in(mode, problem, weights, batch, index, lambda _mode, _made: None)
    return listening[0]


def _check_alike(listening: _Listening, wanted: Mapping[int, Seen], names: Sequence[str]) -> None:
    """Refuses an evaluation with different operations than the trace: its activations belong to other units."""
    same = listening.names == list(names) and listening.found.keys() == wanted.keys()
    if same and all(np.prod(seen.axes) == listening.found[number].numel() for number, seen in wanted.items()):
        return
    raise ValueError(
        "an evaluation does not go through the same operations as the one that was followed, so that activations "
        "cannot be compared; write method='weights'"
    )


def _by_unit(tensor: Tensor, seen: Seen, places: Sequence[int]) -> Tensor:
    """The activations of every unit [units, activations]."""
    sizes = list(seen.axes)
    order = [*places, *(at for at in range(len(sizes)) if at not in places)]
    count = int(np.prod([sizes[at] for at in places], dtype=np.int64))
    return tensor.reshape(sizes).permute(order).reshape(count, -1)
