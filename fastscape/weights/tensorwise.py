"""A basis with no whole vector in memory: theta is read from where it is kept, directions from their seed.

    B[0, p] = theta[p],   B[k, p] = draw(seed, stream k - 1, entry p), times theta[p] if asked for

p counts the entries of the whole flat buffer, so a tensor, or a part of it, has the same numbers as in a basis of all
entries, `fastscape.kernels.Seeded`. A tensor is handled in parts of bounded size, so the additional memory is bounded
too.

Shapes: rows [K, n] of n neighbouring entries of the flat buffer; coefficients [S or 1, K] of all its segments.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from fastscape.kernels import Backend, Distribution, draw, gram, interpolate
from fastscape.weights.deferred import Deferred, as_kept
from fastscape.weights.entry import Entry
from fastscape.weights.kept import KeptTensors
from fastscape.weights.layout import Layout

__all__ = ["Part", "Tensorwise"]

PART = 1 << 18  # entries in memory at once, if a tensor can be cut into such parts


class Part(NamedTuple):
    """Neighbouring entries of the flat buffer in one tensor.

    Args:
        place: Their index in the tensor in the order of storage (`Entry.storage`).
        start: The first entry, counted in the whole flat buffer.
        stop: The position after the last entry.
    """

    place: tuple[int | slice, ...]
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Tensorwise:
    """Theta and random directions, of which only the needed parts are in memory.

    Args:
        layout: The flat buffer in which entries are counted.
        kept: Where theta is kept.
        seed: From 0 to 2^64 - 1.
        directions: Number of directions; direction k is stream k - 1 of the seed.
        dtype: Dtype of the rows, float32 or float64.
        device: The device on which rows are made.
        distribution: "normal", "uniform" or "rademacher". Default "normal".
        weighted: Whether each entry of the directions is multiplied by the same entry of theta. Default False.
        backend: Backend of the kernels. Default "auto".
    """

    layout: Layout
    kept: KeptTensors
    seed: int
    directions: int
    dtype: torch.dtype
    device: torch.device
    distribution: Distribution = "normal"
    weighted: bool = False
    backend: Backend = "auto"

    @property
    def shape(self) -> torch.Size:
        """(K, P)."""
        return torch.Size((1 + self.directions, self.layout.size))

    def parts(self, entry: Entry) -> Iterator[Part]:
        """A tensor in parts of about `PART` entries, fewer or more if its dimensions do not allow this.

        Args:
            entry: The tensor.

        Yields:
            Its parts, one after another.
        """
        shape = [entry.split[d] for d in entry.order]
        if not entry.numel:
            return
        depth = next((d for d in range(len(shape)) if math.prod(shape[d + 1 :]) <= PART), max(len(shape) - 1, 0))
        row = math.prod(shape[depth + 1 :])
        step, length = max(PART // row, 1), shape[depth] if shape else 1
        start = entry.offset
        for outer in itertools.product(*map(range, shape[:depth])):
            for first in range(0, length, step):
                last = min(first + step, length)
                stop = start + (last - first) * row
                yield Part((*outer, slice(first, last)) if shape else (), start, stop)
                start = stop

    def rows(self, entry: Entry, part: Part | None = None, *, drawn: Sequence[bool] | None = None) -> Tensor:
        """The vectors of the basis in one tensor, or in a part of it.

        Args:
            entry: The tensor.
            part: Which part. Default: all of it.
            drawn: For each direction, whether it is needed; the other directions are 0. Default: all are needed.

        Returns:
            Vectors [K, n], in the order of storage.
        """
        theta = entry.storage(self.kept.read(entry.name))
        if part is None:
            return self.rows_at(entry.offset, theta, drawn=drawn)
        return self.rows_at(part.start, theta[part.place], drawn=drawn)

    def rows_at(self, start: int, theta: Tensor, *, drawn: Sequence[bool] | None = None) -> Tensor:
        """The vectors of the basis at some entries of the flat buffer, for theta from any source.

        Args:
            start: The first entry.
            theta: The values of theta there, of any shape and dtype, on any device.
            drawn: For each direction, whether it is needed; the other directions are 0. Default: all are needed.

        Returns:
            Vectors [K, n].
        """
        rows = torch.empty(self.shape[0], theta.numel(), dtype=self.dtype, device=self.device)
        rows[0].view(theta.shape).copy_(theta)
        for k, row in enumerate(rows[1:]):
            if drawn is not None and not drawn[k]:
                row.zero_()
                continue
            draw(row, self.seed, k, start=start, distribution=self.distribution, backend=self.backend)
        if self.weighted:
            rows[1:] *= rows[0]
        return rows

    def combined(self, rows: Tensor, c: Tensor, start: int, *, dtype: torch.dtype | None = None) -> Tensor:
        """One point of weight space at some entries of the flat buffer.

        Args:
            rows: The vectors there [K, n].
            c: Coefficients [S or 1, K] of all segments.
            start: The first entry.
            dtype: The dtype to which the sums are rounded, once. Default: the dtype of the rows.

        Returns:
            The point there [n].
        """
        touched, segments = self.layout.segments.between(start, start + rows.shape[1])
        c = c[touched] if len(c) > 1 else c
        out = torch.empty(1, rows.shape[1], dtype=dtype or rows.dtype, device=rows.device)
        return interpolate(rows, c[None], segments, out=out, backend=self.backend)[0]

    @torch.no_grad()
    def write(self, entry: Entry, rows: Tensor, c: Tensor, out: Tensor, part: Part | None = None) -> None:
        """Writes one point of weight space into a tensor, or into a part of it.

        Args:
            entry: The tensor.
            rows: The vectors [K, n] of the tensor, or of the part.
            c: Coefficients [S or 1, K] of all segments.
            out: The tensor that is overwritten, in the shape of the model, with any strides, on any device; the sums
                are rounded to its dtype once.
            part: Which part. Default: all of it.
        """
        target = entry.storage(out)
        target = target if part is None else target[part.place]
        made = self.combined(rows, c, entry.offset if part is None else part.start, dtype=_rounded(rows, target))
        target.copy_(made.view(target.shape))

    @torch.no_grad()
    def point(self, entry: Entry, c: Tensor, out: Tensor) -> None:
        """Writes one point into a tensor, part by part.

        Args:
            entry: The tensor.
            c: Coefficients [S or 1, K] of all segments.
            out: The tensor that is overwritten, see `write`.
        """
        drawn = (c[:, 1:] != 0).any(0).tolist()
        for part in self.parts(entry):
            self.write(entry, self.rows(entry, part, drawn=drawn), c, out, part)

    def tensors(self, c: Tensor | None = None) -> dict[str, Tensor]:
        """The tensors of one point by name. They take no memory before they are read or written somewhere.

        Args:
            c: Coefficients [S or 1, K] of all segments. Default: the original tensors.

        Returns:
            The tensors, in their own dtypes.
        """
        names = {entry.name: entry for entry in self.layout.entries}
        if c is None:
            return {name: as_kept(self.kept, name, self.device) for name in names}
        return {name: Deferred(_AtPoint(self, entry, c)) for name, entry in names.items()}

    def gathered(self, kept: KeptTensors) -> Tensorwise:
        """The same vectors in whole tensors, for a model of which a process may hold parts.

        Args:
            kept: Gives the whole tensors.

        Returns:
            The vectors.
        """
        return replace(self, kept=kept)

    def gram(self) -> Tensor:
        """The Gram matrices [S, K, K] of all segments, float64, on the CPU, tensor by tensor."""
        segments, vectors = self.layout.segments, self.shape[0]
        found = torch.zeros(segments.count, vectors, vectors, dtype=torch.float64, device="cpu")
        for entry in self.layout.entries:
            for part in self.parts(entry):
                touched, within = segments.between(part.start, part.stop)
                found[touched] += gram(self.rows(entry, part), within, backend=self.backend).cpu()
        return found


@dataclass(frozen=True, eq=False)
class _AtPoint:
    """A tensor at a point."""

    vectors: Tensorwise
    entry: Entry
    c: Tensor

    @property
    def like(self) -> Tensor:
        return self.vectors.kept.read(self.entry.name)

    @property
    def device(self) -> torch.device:
        return self.vectors.device

    def write(self, out: Tensor) -> None:
        if out.is_conj() or out.is_neg():  # a view with other numbers
            made = torch.empty(out.shape, dtype=out.dtype, device=out.device)
            self.vectors.point(self.entry, self.c, made)
            out.copy_(made)
        else:
            self.vectors.point(self.entry, self.c, out)

    def holds(self, other: Tensor) -> bool:
        made = torch.empty_like(other)
        self.write(made)
        return torch.equal(other, made)


def _rounded(rows: Tensor, target: Tensor) -> torch.dtype:
    """The dtype to which sums are rounded: the target's, if the kernels have it and it is not wider."""
    known = target.dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
    return target.dtype if known and target.dtype.itemsize <= rows.dtype.itemsize else rows.dtype
