"""A basis in memory, read tensor by tensor with the same calls as a basis that is never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fastscape.kernels import Backend, Seeded, interpolate
from fastscape.weights.basis import Basis
from fastscape.weights.entry import Entry
from fastscape.weights.layout import Layout
from fastscape.weights.tensorwise import PART, Part

__all__ = ["BasisRows", "Rows"]


class Rows(Protocol):
    """Gives the vectors of a basis tensor by tensor, and combines them. See `Tensorwise`."""

    @property
    def layout(self) -> Layout:
        """The flat buffer that the entries are counted in."""

    def parts(self, entry: Entry) -> Iterator[Part]:
        """A tensor in parts of bounded size, one after another in the order of storage."""

    def rows(self, entry: Entry, part: Part | None = None) -> Tensor:
        """The vectors of the basis in one tensor or a part of it [K, n], in the order of storage."""

    def combined(self, rows: Tensor, c: Tensor, start: int, *, dtype: torch.dtype | None = None) -> Tensor:
        """One point of weight space [n] at the entries from `start` on, by coefficients [S or 1, K]."""


@dataclass(frozen=True, eq=False)
class BasisRows:
    """Reads the vectors of a basis tensor by tensor: views of vectors in memory, random vectors drawn again.

    Args:
        basis: The basis.
        backend: Backend of the kernels. Default "auto".
    """

    basis: Basis
    backend: Backend = "auto"

    @property
    def layout(self) -> Layout:
        """The flat buffer that the entries are counted in."""
        return self.basis.layout

    @property
    def resident(self) -> bool:
        """Whether rows are views, and take no memory."""
        return isinstance(self.basis.vectors, Tensor)

    def parts(self, entry: Entry) -> Iterator[Part]:
        """A tensor in parts of bounded size.

        Args:
            entry: The tensor.

        Yields:
            Its parts, one after another.
        """
        for start in range(entry.offset, entry.stop, PART):
            yield Part((), start, min(start + PART, entry.stop))

    def rows(self, entry: Entry, part: Part | None = None) -> Tensor:
        """The vectors of the basis in one tensor, or in a part of it.

        Args:
            entry: The tensor.
            part: Which part. Default: all of it.

        Returns:
            Vectors [K, n], in the order of storage; not to be written to.
        """
        vectors = self.basis.vectors
        start, stop = (entry.offset, entry.stop) if part is None else (part.start, part.stop)
        if isinstance(vectors, Tensor):
            return vectors[:, start:stop]
        assert isinstance(vectors, Seeded)  # a basis that is never whole in memory gives its rows itself
        return vectors.rows(start, stop)

    def combined(self, rows: Tensor, c: Tensor, start: int, *, dtype: torch.dtype | None = None) -> Tensor:
        """One point of weight space at some entries of the flat buffer.

        Args:
            rows: The vectors there [K, n].
            c: Coefficients [S or 1, K] of all segments.
            start: The first entry.
            dtype: The dtype to which the sums are rounded, once. Default: the dtype of the rows.

        Returns:
            The point there [n], in memory of its own.
        """
        touched, segments = self.layout.segments.between(start, start + rows.shape[1])
        c = c[touched] if len(c) > 1 else c
        out = torch.empty(1, rows.shape[1], dtype=dtype or rows.dtype, device=rows.device)
        return interpolate(rows, c[None], segments.to(rows.device), out=out, backend=self.backend)[0]
