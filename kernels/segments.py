"""How the P entries of a flat buffer are cut into S segments: filters, or other parts with a norm of their own.

Shapes: starts_S1 [S + 1], the first entry of each segment and, last, P. A segment may be empty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Run", "Segments"]


class Run(NamedTuple):
    """Neighbouring segments `first .. first + rows - 1` of one length, beginning at entry `start`."""

    first: int
    rows: int
    start: int
    length: int


@dataclass(frozen=True, eq=False)
class Segments:
    """A cut of `size` entries into `count` contiguous segments.

    Args:
        starts: Offsets [S + 1], int64, from 0, never decreasing; the last offset is the number of entries P.

    Raises:
        ValueError: When the offsets have a different dtype or shape, do not begin at 0, or decrease.

    Example:
        >>> import torch
        >>> from fastscape.kernels import Segments
        >>> rows = Segments(torch.tensor([0, 3, 6, 7]))  # two rows of three entries and one of one entry
        >>> rows.count, rows.size
        (3, 7)
    """

    starts: Tensor
    _tables: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        starts = self.starts
        if starts.dtype != torch.int64 or starts.dim() != 1 or len(starts) < 1:
            raise ValueError(
                f"segment starts must be int64 [S + 1], got {starts.dtype} of shape {tuple(starts.shape)}: give "
                "torch.tensor([0, ..., P])"
            )
        if int(starts[0]) != 0 or bool((starts.diff() < 0).any()):
            raise ValueError("segment starts must begin at 0 and never decrease; sort them and prepend 0")

    @classmethod
    def single(cls, size: int, device: torch.device | str = "cpu") -> Segments:
        """One segment that holds all `size` entries."""
        return cls(torch.tensor([0, size], dtype=torch.int64, device=device))

    @property
    def count(self) -> int:
        """Number of segments S."""
        return len(self.starts) - 1

    @cached_property
    def size(self) -> int:
        """Number of entries P."""
        return int(self.starts[-1])

    def to(self, device: torch.device | str) -> Segments:
        """The same cut with its offsets on `device`."""
        if self.starts.device == torch.device(device):
            return self
        made = object.__new__(Segments)  # what was checked, and what is known, is not read back from the device
        made.__dict__.update(starts=self.starts.to(device), _tables={}, size=self.size, runs=self.runs)
        return made

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """The segments grouped into runs of equal length, without empty segments.

        A weight tensor is one run, so torch code handles it as a [rows, length] matrix.
        """
        lengths, counts = torch.unique_consecutive(self.starts.diff().cpu(), return_counts=True)
        runs = []
        first = start = 0
        for length, count in zip(lengths.tolist(), counts.tolist(), strict=True):
            if length:
                runs.append(Run(first, count, start, length))
            first += count
            start += count * length
        return tuple(runs)

    def of_blocks(self, block: int) -> Tensor:
        """The segment in which each block of `block` entries begins.

        Returns:
            Segment numbers [N + 1], int32, which are kept for the next launch. The last number is the last segment, so
            that block n meets exactly the segments from element n to element n + 1.
        """
        if block not in self._tables:
            self._tables[block] = self._of_blocks(block)
        return self._tables[block]

    def _of_blocks(self, block: int) -> Tensor:
        blocks = -(-self.size // block)
        first = torch.arange(blocks, device=self.starts.device) * block
        segments = torch.searchsorted(self.starts, first, right=True) - 1
        last = torch.full_like(self.starts[:1], max(self.count - 1, 0))
        return torch.cat([segments, last]).to(torch.int32)

    def tiles(self, block: int) -> tuple[Tensor, Tensor, Tensor]:
        """Each segment cut at the multiples of `block`.

        Returns:
            The first entry of each tile [T], the position after its last entry [T], and the number of tiles of each
            segment [S]; all int64. A tile is within one block.
        """
        first, stop = self.starts[:-1] // block, self.starts[1:]
        per_segment = torch.where(self.starts.diff() > 0, (stop - 1) // block - first + 1, 0)
        segment = torch.repeat_interleave(per_segment)
        within = torch.arange(len(segment), device=segment.device) - (per_segment.cumsum(0) - per_segment)[segment]
        begin = (first[segment] + within) * block
        return torch.maximum(begin, self.starts[segment]), torch.minimum(begin + block, stop[segment]), per_segment

    def between(self, start: int, stop: int) -> tuple[slice, Segments]:
        """The segments that are, in part or whole, in the entries start .. stop - 1.

        Args:
            start: The first entry.
            stop: The position after the last entry.

        Returns:
            The slice of these segments, and the cut of the stop - start entries alone.
        """
        bounds = torch.tensor([start, stop], dtype=torch.int64, device=self.starts.device)
        first = int(torch.searchsorted(self.starts, bounds[0], right=True)) - 1
        last = int(torch.searchsorted(self.starts, bounds[1]))
        return slice(first, last), Segments(self.starts[first : last + 1].clamp(start, stop) - start)
