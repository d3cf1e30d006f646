"""All checkpoints of some trainings, stacked, and read block of weights by block.

Shapes: N = n + 1, the checkpoints of all trainings in order, followed by the model at the origin. A block has the same
few weights of all of them, so a whole checkpoint is never in memory. Results that are computed from the blocks do not
depend on the order of the weights; only the flat buffer does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fastscape.weights.checkpoints import InMemory, Readable, Training
from fastscape.weights.entry import Entry
from fastscape.weights.layout import Layout
from fastscape.weights.other_model import listed, named_as
from fastscape.weights.tensor_files import Kept

__all__ = ["Block", "Stack"]

READ = 48 << 20
"""Bytes that are read at once: of a thousand checkpoints some ten thousand weights each."""

COMPUTED = 16 << 20
"""Bytes that are computed with at once, in float64."""


class Block(NamedTuple):
    """The same weights of all checkpoints and of the model.

    Args:
        entry: The tensor of the weights.
        start: The first weight, in the order of the model; a complex tensor counts as pairs of numbers.
        differences: The differences to the base [N, weights]. They change with the next block.
    """

    entry: Entry
    start: int
    differences: Tensor

    @property
    def stop(self) -> int:
        """The position after the last weight."""
        return self.start + self.differences.shape[1]


class Stack:
    """The checkpoints of trainings and the model at the origin, in the tensors of a layout.

    A tensor that no checkpoint has is taken not to have moved: each checkpoint then has the model's tensor.

    Args:
        trainings: The trainings.
        layout: The tensors.
        theta: All tensors of the model by name.
        base: Index of the checkpoint to which differences are taken; near the others, so that no digits are lost.

    Raises:
        ValueError: When a checkpoint belongs to another model, or lacks tensors that other checkpoints have.
    """

    def __init__(self, trainings: Sequence[Training], layout: Layout, theta: Mapping[str, Tensor], base: int) -> None:
        self.trainings = trainings
        self.base = base
        self.theta = theta
        self._rows: list[Readable] = [one for training in trainings for one in training.checkpoints]
        self._names = _named(list(theta), [one.kept for one in self._rows])
        self.entries = self._moving(layout)
        self._check()
        self._rows.append(InMemory(dict(theta)))
        self._names.append({name: name for name in theta})

    def __len__(self) -> int:
        """The number n of checkpoints."""
        return len(self._rows) - 1

    def said(self, i: int) -> str:
        """Checkpoint i of all checkpoints, as a message calls it."""
        for training in self.trainings:
            if i < len(training):
                return training.said(i)
            i -= len(training)
        return "the model"

    def tensors(self, i: int) -> dict[str, Tensor]:
        """All kept tensors of checkpoint i, by the names in the model."""
        found = self._rows[i].tensors()
        return {name: found[own] for name, own in self._names[i].items() if name in self.theta}

    def _moving(self, layout: Layout) -> list[Entry]:
        """The tensors that checkpoints have."""
        having = [{entry.name for entry in layout.entries if entry.name in names} for names in self._names]
        most = max(range(len(having)), key=lambda i: len(having[i]))
        wanted = [entry.name for entry in layout.entries]
        if not having[most]:
            raise ValueError(
                f"{self.said(most)} must be a checkpoint of this model, with {listed(wanted)}, got "
                f"{listed(self._names[most].values()) or 'no tensors'}"
            )
        for i in range(len(having)):
            for a, b in ((i, most), (most, i)):
                if odd := [name for name in wanted if name in having[a] and name not in having[b]]:
                    raise ValueError(
                        f"every checkpoint must have the same tensors: {self.said(b)} has no {listed(odd)}, and "
                        f"{self.said(a)} has"
                    )
        return [entry for entry in layout.entries if entry.name in having[most] and entry.numel]

    def _check(self) -> None:
        """Refuses checkpoints of other models."""
        tied: set[str] = set()
        for i, (one, names) in enumerate(zip(self._rows, self._names, strict=True)):
            for entry in self.entries:
                kept = one.kept[names[entry.name]]
                if kept.shape != entry.shape or kept.dtype is None:
                    came = kept.shape if kept.dtype is not None else "no floating-point numbers"
                    raise ValueError(
                        f"{entry.name} of {self.said(i)} must have shape {entry.shape}, as in the model, got {came}"
                    )
            more = {name: own for name, own in names.items() if name not in self.theta and name not in tied}
            more = {name: own for name, own in more.items() if one.kept[own].dtype is not None}
            known = [own for name, own in names.items() if name in self.theta]
            tied |= {name for name, own in more.items() if any(_equal(one, own, other) for other in known)}
            if odd := [name for name in more if name not in tied]:
                raise ValueError(f"{self.said(i)} must be a checkpoint of this model, but also has {listed(odd)}")

    def _numbers(self, i: int, entry: Entry, start: int, stop: int) -> Tensor:
        """Real numbers of a tensor of row i, in the order of the layout."""
        one, own = self._rows[i], self._names[i][entry.name]
        there = one.kept[own].complex
        if there == entry.complex:
            return one.numbers(own, start, stop)
        if there:
            pairs = one.numbers(own, 2 * start, 2 * stop).view(-1, 2)
            if bool(pairs[:, 1].any()):
                raise ValueError(f"{entry.name} of {self.said(i)} must be real, as in the model, got complex numbers")
            return pairs[:, 0]
        real = one.numbers(own, start // 2, -(-stop // 2))
        return torch.stack([real, torch.zeros_like(real)], 1).view(-1)[start % 2 :][: stop - start]

    @cached_property
    def _dtype(self) -> torch.dtype:
        """A dtype that holds the numbers of the files exactly."""
        kept = (
            one.kept[names[e.name]] for one, names in zip(self._rows, self._names, strict=True) for e in self.entries
        )
        return torch.float64 if any(tensor.dtype == torch.float64 for tensor in kept) else torch.float32

    @property
    def narrow(self) -> bool:
        """Whether float32 holds the numbers of the files."""
        return self._dtype == torch.float32

    @property
    def size(self) -> int:
        """The number of products of weights in the scalar products of all pairs."""
        return len(self._rows) ** 2 * sum(entry.numel for entry in self.entries)

    def blocks(self, dtype: torch.dtype = torch.float64) -> Iterator[Block]:
        """Reads all checkpoints once, and the model.

        Args:
            dtype: Dtype of the differences. Default float64.

        Yields:
            Blocks of weights, tensor by tensor.
        """
        count = len(self._rows)
        longest = max((entry.numel for entry in self.entries), default=0)
        width = min(longest, max(READ // (self._dtype.itemsize * count), 64))
        part = min(width, max(COMPUTED // (dtype.itemsize * count), 16))
        read = torch.empty(count, width, dtype=self._dtype, device="cpu")
        computed = torch.empty(0 if dtype == self._dtype else count * part, dtype=dtype, device="cpu")
        with ThreadPoolExecutor(min(torch.get_num_threads(), 8)) as readers:
            for entry in self.entries:
                for start in range(0, entry.numel, width):
                    stop = min(start + width, entry.numel)
                    rows = read[:, : stop - start].unbind()
                    for _ in readers.map(partial(self._read, entry, start, stop), range(count), rows):
                        pass  # raises an exception of the thread
                    for first in range(start, stop, part):
                        differences = read[:, first - start : min(first + part, stop) - start]
                        if dtype != self._dtype:
                            differences = computed[: differences.numel()].view(differences.shape).copy_(differences)
                        differences -= differences[self.base].clone()
                        yield Block(entry, first, differences)

    def _read(self, entry: Entry, start: int, stop: int, i: int, row: Tensor) -> None:
        row.copy_(self._numbers(i, entry, start, stop))

    def _first_not_finite(self) -> int | None:
        """Index of the first row with a NaN or an infinite weight."""
        for i in range(len(self._rows)):
            for entry in self.entries:
                for start in range(0, entry.numel, READ // 16):
                    numbers = self._numbers(i, entry, start, min(start + READ // 16, entry.numel))
                    if not bool(numbers.float().isfinite().all()):
                        return i
        return None

    def check_finite(self, sums: Tensor) -> None:
        """Refuses weights that are not finite.

        Args:
            sums: Any sums over all weights of all checkpoints.

        Raises:
            ValueError: When the sums are not finite because weights are not finite.
        """
        if not bool(sums.isfinite().all()) and (bad := self._first_not_finite()) is not None:
            raise ValueError(f"{self.said(bad)} has weights that are NaN or infinite; leave it out")

    @cached_property
    def model_hash(self) -> str:
        """SHA-256 of the model's weights."""
        digest = hashlib.sha256()
        for entry in self.entries:
            for start in range(0, entry.numel, READ // 16):
                numbers = self._numbers(len(self), entry, start, min(start + READ // 16, entry.numel))
                digest.update(numbers.contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


def _named(names: list[str], checkpoints: Sequence[Mapping[str, Kept]]) -> list[Mapping[str, str]]:
    """The names in each checkpoint for the tensors of the model; see `_names_in`."""
    known: dict[tuple[str, ...], Mapping[str, str]] = {}
    found = []
    for kept in checkpoints:
        theirs = tuple(kept)
        if theirs not in known:
            known[theirs] = _names_in(names, theirs)
        found.append(known[theirs])
    return found


def _names_in(names: list[str], theirs: Collection[str]) -> Mapping[str, str]:
    """The names in a checkpoint for the tensors of the model.

    Apart from the prefixes of wrappers, the model or the checkpoint may be a part of the other, like the network in a
    `LightningModule`. The names of the larger one are then the names of the part, each with the part's own name in
    front.

    Args:
        names: The names in the model.
        theirs: The names in the checkpoint.

    Returns:
        The names in the checkpoint by the names in the model. A tensor that the model lacks keeps its own name.
    """
    same: Any = {name: name for name in theirs}
    found: Mapping[str, Any] = named_as(names, same)
    if not theirs or any(name in found for name in names):
        return found
    inner = {name.removesuffix(names[0]) for name in theirs if name.endswith(f".{names[0]}")}
    if len(inner) == 1:
        start = inner.pop()
        return {name.removeprefix(start): name for name in theirs if name.startswith(start)}
    first = next(iter(theirs))
    outer = {name.removesuffix(first) for name in names if name.endswith(f".{first}")}
    if len(outer) == 1:
        start = outer.pop()
        return {start + name: name for name in theirs}
    return found


def _equal(one: Readable, a: str, b: str) -> bool:
    """Whether two tensors of a checkpoint are the same, as a tied tensor is under its second name."""
    x, y = one.kept[a], one.kept[b]
    if (x.shape, x.dtype, x.complex) != (y.shape, y.dtype, y.complex):
        return False
    count = (2 if x.complex else 1) * torch.Size(x.shape).numel()
    return not count or torch.equal(one.numbers(a, 0, count), one.numbers(b, 0, count))
