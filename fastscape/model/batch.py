"""Samples that are evaluated together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fastscape.model.batch_structure import cut, joined, kind, mapped, tensors
from fastscape.weights import dtype_of

__all__ = ["Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples that are evaluated together.

    Args:
        content: The argument of the objective: `(inputs, targets)`, or a batch as the data gave it.
        samples: The number of samples that it counts as.
        of: The number of its data set. Default 0, the first or only set.
    """

    content: Any
    samples: int
    of: int = 0

    @property
    def inputs(self) -> Any:
        """The inputs if the content is a pair of inputs and targets; else the whole content."""
        return self.content[0] if isinstance(self.content, tuple) and len(self.content) == 2 else self.content

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors that it holds."""
        return tensors(self.content)

    @property
    def divisible(self) -> bool:
        """Whether it can be cut into samples."""
        return kind(self.content) is not None

    def copied(self) -> Any:
        """A copy of the content, for an evaluation that writes to it."""
        return mapped(self.content, Tensor.clone)

    def to(self, dtype: torch.dtype) -> Batch:
        """The samples in another precision."""
        return replace(self, content=mapped(self.content, lambda tensor: tensor.to(dtype_of(tensor, dtype))))

    def part(self, start: int, stop: int) -> Batch:
        """The samples from `start` to `stop`."""
        stop = min(stop, self.samples)
        return Batch(cut(self.content, start, stop), stop - start, self.of)

    def picked(self, numbers: Tensor) -> Batch:
        """The samples with these numbers [n], in their order."""
        content = mapped(self.content, lambda tensor: tensor[numbers.to(tensor.device)])
        return Batch(content, len(numbers), self.of)

    def fits(self, other: Batch) -> bool:
        """Whether both can be joined: their samples have the same data set, structure, shapes and dtypes."""
        return self.divisible and self.of == other.of and kind(self.content) == kind(other.content)

    def joined(self, other: Batch) -> Batch:
        """The samples of both, these first."""
        return Batch(joined([self.content, other.content]), self.samples + other.samples, self.of)
