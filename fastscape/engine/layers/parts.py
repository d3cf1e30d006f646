"""The rows of a basis that belong to one tensor, as tensors of the model.

Shapes: parts [K, *shape]; as matrices [K, O, I]; coefficients [K], or [filters, K] when each filter has its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fastscape.kernels import Seeded
from fastscape.weights import Layout

__all__ = ["Part", "combined", "parts_of", "ranges_of"]

# A launch of the interpolation costs as much as writing some thousand entries, and each further launch saves less.
WORTH_A_LAUNCH = 1024  # entries
MOST_RANGES = 64


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a basis that belong to one tensor.

    Args:
        rows: In memory [K, *shape]; or seeded, in the order in which the tensor is stored.
        shape: Of the tensor.
        dtype: Of the tensor, to which the sums of rows are rounded.
        transposed: Whether it is a matrix [I, O] that is stored as [O, I], so that its filters are along the second
            dimension. Default False.
    """

    rows: Tensor | Seeded
    shape: tuple[int, ...]
    dtype: torch.dtype
    transposed: bool = False

    @cached_property
    def like(self) -> Tensor:
        """A tensor of the same shape, dtype and device, but without memory."""
        return torch.empty((), dtype=self.dtype, device=self.rows.device).expand(self.shape)

    def whole(self) -> Tensor:
        """The parts [K, *shape] in memory."""
        if isinstance(self.rows, Tensor):
            return self.rows
        count, size = self.rows.shape
        made = self.rows.rows(0, size)
        return made.view(count, *self.shape[::-1]).mT if self.transposed else made.view(count, *self.shape)

    @cached_property
    def matrices(self) -> Tensor | Seeded | None:
        """The parts [K, O, I], or seeded parts with as many entries; None if the tensor is no matrix.

        The weight of a convolution is a matrix if its kernel is a single pixel.
        """
        if any(size != 1 for size in self.shape[2:]):
            return None
        if isinstance(self.rows, Seeded):
            return self.rows
        return self.rows.mT if self.transposed else self.rows.flatten(2)

    def at(self, coefficients: Tensor) -> Tensor:
        """The tensor at a point with some coefficients."""
        return combined(self.whole(), coefficients, 1 if self.transposed else 0).to(self.dtype)


def parts_of(
    vectors: Tensor | Seeded, layout: Layout, dtype: torch.dtype, *, layers: bool = True, products: bool = True
) -> dict[str, Part]:
    """The parts of a basis, for each tensor of a model whose layer can be computed from its parts.

    Args:
        vectors: The basis [K, P].
        layout: What its entries are.
        dtype: Of the weights of a point.
        layers: Whether to include parts from which any layer that is linear in its weight can be computed. Default
            True.
        products: Whether to include parts that are matrices. Default True.

    Returns:
        The parts by name.
    """
    found = {}
    for entry in layout.entries:
        # A layer's weight has at least two dimensions. The split of complex weights differs from their shape.
        if len(entry.shape) < 2 or entry.split != entry.shape or not entry.numel:
            continue
        straight, transposed = entry.order[0] == 0, entry.order == (1, 0)
        if isinstance(vectors, Tensor):
            part = Part(entry.taken(vectors), entry.shape, dtype, transposed)
        else:
            theta = vectors.theta[entry.offset : entry.stop]
            seeded = replace(vectors, theta=theta, first=vectors.first + entry.offset)
            part = Part(seeded, entry.shape, dtype, transposed)
            straight = entry.order == tuple(range(len(entry.order)))
        # Filters may have their own coefficients. They are along the first dimension, or are the filters of a matrix.
        if (straight and layers) or ((straight or transposed) and products and part.matrices is not None):
            found[entry.name] = part
    return found


def ranges_of(layout: Layout, names: Collection[str]) -> tuple[tuple[int, int], ...]:
    """A few ranges of the flat buffer that cover some of its tensors, and other tensors in between.

    Args:
        layout: The flat buffer.
        names: Of the tensors.

    Returns:
        For each range its first entry and the entry behind its last, in order.
    """
    starts = [entry.offset for entry in layout.entries]
    stops = [*starts[1:], layout.size]  # with the padding behind each tensor
    needed = [n for n, entry in enumerate(layout.entries) if entry.name in names]
    gaps = {k: starts[needed[k]] - stops[needed[k - 1]] for k in range(1, len(needed))}
    wide = sorted((k for k, gap in gaps.items() if gap >= WORTH_A_LAUNCH), key=gaps.__getitem__, reverse=True)
    cuts = [0, *sorted(wide[: MOST_RANGES - 1]), len(needed)] if needed else []
    return tuple((starts[needed[a]], stops[needed[b - 1]]) for a, b in itertools.pairwise(cuts))


def combined(parts: Tensor, coefficients: Tensor, channels: int) -> Tensor:
    """The sum of parts with their coefficients.

    Args:
        parts: Parts [K, ...].
        coefficients: Of a point: [K], or [filters, K].
        channels: The dimension of one part along which the filters are.

    Returns:
        sum_k c_k parts_k [...].
    """
    c = coefficients.to(parts.dtype)
    if c.dim() == 1:
        return (c @ parts.reshape(len(parts), -1)).reshape(parts.shape[1:])
    dim = channels % (parts.dim() - 1)
    shape = [-1 if d == dim else 1 for d in range(parts.dim() - 1)]
    return sum((part * factor.reshape(shape) for part, factor in zip(parts[1:], c.unbind(1)[1:], strict=True)),
               start=parts[0] * c[:, 0].reshape(shape))  # fmt: skip
