"""The part of the flat buffer that a process holds, if a model's tensors are shared out among several processes.

A process has its own flat buffer, which holds its parts of the tensors one after another. For each entry its place in
the whole buffer is known. Random numbers depend on the place in the whole buffer, and Gram matrices are sums over
processes. So both are the same however a model is shared out.

A part of a tensor consists of blocks of one length, each within one filter: whole filters if filters are shared out,
and pieces of all filters if their entries are.

Shapes: a buffer here [P'] of the P entries of the whole buffer, S' segments of S; blocks R of n entries per tensor.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fastscape.kernels import Backend, Distribution, draw
from fastscape.weights.entry import Entry
from fastscape.weights.layout import ALIGNMENT, Layout
from fastscape.weights.selection import tensors_of
from fastscape.weights.sharded import indices_here
from fastscape.weights.sharing import Sharing

__all__ = ["Here", "here_of", "part_of"]

APART = 2048  # entries that are drawn in the time that one more call of `draw` takes
AT_ONCE = 1 << 20  # entries that are drawn together, even if only some of them are used


class _Stretch(NamedTuple):
    """Entries that are neighbours both here and in the whole buffer."""

    here: int
    whole: int
    length: int


@dataclass(frozen=True, eq=False)
class Here:
    """The part of the flat buffer that a process holds.

    Args:
        whole: The layout of the whole buffer.
        layout: The layout of the part that is here: a filter of it is a block.
        blocks: For each tensor by name, where each of its blocks begins in the whole buffer [R].
        sharing: The processes that hold the rest.
    """

    whole: Layout
    layout: Layout
    blocks: Mapping[str, Tensor]
    sharing: Sharing

    @cached_property
    def _stretches(self) -> list[_Stretch]:
        """All stretches that are here."""
        return [one for entry in self.layout.entries for one in _stretches(entry, self.blocks[entry.name])]

    @cached_property
    def segment(self) -> Tensor:
        """For each segment that is here [S'], int64, the number of the whole segment that it is a part of."""
        ours, theirs = self.layout.segments_of, self.whole.segments_of
        firsts = torch.tensor([theirs[entry.name].start for entry in self.whole.entries], device="cpu")
        found = firsts[self.layout.layer_of_segment]  # the padding holds nothing, so any segment will do
        for entry in self.whole.entries:
            length = max(entry.numel // entry.filters, 1)
            found[ours[entry.name]] += (self.blocks[entry.name] - entry.offset) // length
        return found

    @cached_property
    def counted(self) -> Tensor:
        """For each segment that is here [S'], bool, whether it counts in sums over the processes."""
        each = [self.sharing.counts(entry.name) for entry in self.layout.entries]
        return torch.tensor(each, dtype=torch.bool, device="cpu")[self.layout.layer_of_segment]

    def gram(self, own: Tensor) -> Tensor:
        """The Gram matrices [S, K, K] of all segments, from the parts of all processes.

        Args:
            own: The Gram matrices of the segments that are here [S', K, K], float64, on the CPU.

        Returns:
            The Gram matrices, the same on all processes.
        """
        found = own.new_zeros(self.whole.segments.count, *own.shape[1:])
        found.index_add_(0, self.segment[self.counted], own[self.counted])
        return self.sharing.added(found)

    def coefficients(self, c: Tensor) -> Tensor:
        """Selects the segments that are here: from coefficients [..., S or 1, K] to [..., S' or 1, K]."""
        return c if c.shape[-2] == 1 else c.index_select(-2, self.segment.to(c.device))

    def random(self, seed: int, axis: int, *, distribution: Distribution, out: Tensor) -> None:
        """Writes the part of a random direction that is here, see `direction_random`.

        Args:
            seed: From 0 to 2^64 - 1.
            axis: 0 for the direction of x, 1 for the direction of y.
            distribution: See `direction_random`.
            out: The buffer [P']; its padding becomes 0.
        """
        out.zero_()
        for entry in self.layout.entries:
            if not entry.variance and entry.numel:
                own = out[entry.offset : entry.stop]
                self.draw(own, seed, axis, entry.offset, distribution=distribution)

    def draw(
        self, out: Tensor, seed: int, axis: int, start: int, *, distribution: Distribution, backend: Backend = "torch"
    ) -> None:
        """Random numbers for neighbouring entries; padding keeps its values.

        Args:
            out: Where to write the numbers [n], contiguous.
            seed: From 0 to 2^64 - 1.
            axis: Number of the stream.
            start: The first entry, counted here.
            distribution: As `draw` takes it.
            backend: Backend of the kernels. Default "torch", as for `direction_random`.
        """
        if not len(out):
            return
        stop = start + len(out)
        for part in _together(self._between(start, stop)):
            first, last = part[0], part[-1]
            to = out[first.here - start : last.here + last.length - start]
            if len(part) == 1:
                draw(to, seed, axis, start=first.whole, distribution=distribution, backend=backend)
                continue
            drawn = out.new_empty(last.whole + last.length - first.whole)
            draw(drawn, seed, axis, start=first.whole, distribution=distribution, backend=backend)
            torch.cat([drawn[one.whole - first.whole :][: one.length] for one in part], out=to)

    def _between(self, start: int, stop: int) -> Iterator[_Stretch]:
        """The parts of the stretches of tensors in the entries start .. stop - 1."""
        every = self._stretches
        at = max(bisect(every, start, key=lambda one: one.here) - 1, 0)
        while at < len(every) and every[at].here < stop:
            here, there, length = every[at]
            first, last = max(here, start), min(here + length, stop)
            if first < last:
                yield _Stretch(first, there + first - here, last - first)
            at += 1


def here_of(model: nn.Module, layout: Layout, sharing: Sharing) -> Here:
    """The part of the flat buffer that this process holds.

    Args:
        model: The model, of which every process holds only its part.
        layout: The layout of the whole tensors.
        sharing: The processes.

    Returns:
        The part that is here.
    """
    tensors, entries, offset = tensors_of(model), [], 0
    blocks: dict[str, Tensor] = {}
    for entry in layout.entries:
        own, blocks[entry.name] = part_of(entry, indices_here(entry.name, tensors[entry.name]), offset)
        entries.append(own)
        offset = -(-own.stop // ALIGNMENT) * ALIGNMENT
    return Here(layout, Layout(tuple(entries)), blocks, sharing)


def part_of(entry: Entry, lists: Sequence[Tensor], offset: int) -> tuple[Entry, Tensor]:
    """The entry of a part of a tensor, and the places where its blocks begin in the whole buffer.

    Args:
        entry: The entry of the whole tensor.
        lists: The indices of each dimension that are here, increasing.
        offset: The position here at which the part begins.

    Returns:
        The entry, whose filters are the blocks, and the places [R], int64.
    """
    shape = tuple(map(len, lists))
    plain = entry.split == (*entry.shape, *((2,) if entry.complex else ()))
    split = (*shape, 2) if entry.complex else shape
    # A dimension that storage splits, the groups of a convolution, stays whole here: a part may hold half a group.
    order = entry.order if plain else tuple(range(len(split)))
    own = replace(entry, shape=shape, offset=offset, filters=0, split=split, order=order)
    if not own.numel:
        return own, torch.empty(0, dtype=torch.int64, device="cpu")
    places, filter_length = _places(entry, lists), entry.numel // entry.filters
    leading, length, first = [places[d] for d in order], 1, entry.offset
    while leading:
        last = leading.pop()
        run = min(_run(last, length), filter_length // length)
        run = run if len(last) % run == 0 else 1
        length *= run
        if run < len(last):
            leading.append(last[::run])
            break
        first += int(last[0])
    blocks = torch.full((1,), first, dtype=torch.int64, device="cpu")
    for place in leading:
        blocks = (blocks[:, None] + place).flatten()
    return replace(own, filters=len(blocks)), blocks


def _places(entry: Entry, lists: Sequence[Tensor]) -> list[Tensor]:
    """The distance of each index of each dimension from the first entry of a tensor, in the order of storage."""
    sizes = [entry.split[d] for d in entry.order]
    strides = {d: math.prod(sizes[j + 1 :]) for j, d in enumerate(entry.order)}
    found, at = [], 0
    for index, size in zip(lists, entry.shape, strict=True):
        place, left = torch.zeros_like(index), size
        while left > 1:  # storage may split a dimension
            left //= entry.split[at]
            place += index // left * strides[at]
            index, at = index % left, at + 1
        at += size == 1
        found.append(place)
    return found + ([torch.arange(2, device="cpu")] if entry.complex else [])


def _run(places: Tensor, length: int) -> int:
    """The number of neighbours in equal runs, if each neighbour is `length` entries long."""
    cuts = (places.diff() != length).nonzero().flatten() + 1
    bounds = [0, *cuts.tolist(), len(places)]
    return math.gcd(*(b - a for a, b in pairwise(bounds)))


def _stretches(entry: Entry, blocks: Tensor) -> list[_Stretch]:
    """The blocks of a tensor, joined if they are neighbours in the whole buffer too."""
    length = entry.numel // max(entry.filters, 1)
    cuts = (blocks.diff() != length).nonzero().flatten() + 1
    firsts = [0, *cuts.tolist()] if len(blocks) else []
    bounds = [*firsts, len(blocks)]
    starts = blocks[firsts].tolist()
    return [
        _Stretch(entry.offset + a * length, start, (b - a) * length)
        for (a, b), start in zip(pairwise(bounds), starts, strict=True)
    ]


def _together(stretches: Iterable[_Stretch]) -> Iterator[list[_Stretch]]:
    """Groups of stretches so close together that it is faster to draw the gaps between them too."""
    group: list[_Stretch] = []
    for one in stretches:
        if group:
            here, there, length = group[-1]
            near = here + length == one.here and 0 <= one.whole - there - length <= APART
            if not near or one.whole + one.length - group[0].whole > AT_ONCE:
                yield group
                group = []
        group.append(one)
    if group:
        yield group
