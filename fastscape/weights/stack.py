"""All checkpoints of some trainings, one below the other, read block of weights by block.

Shapes: N = n + 1, the checkpoints of all trainings one after the other, and then the model at the origin. A block has
the same few weights of all of them, so that nothing ever holds a whole checkpoint. What is computed of the blocks
does not depend on the order of the weights; only what is written to the flat buffer does.
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
"""Bytes of what is read at once: of a thousand checkpoints some ten thousand weights each."""

COMPUTED = 16 << 20
"""Bytes of what is computed with at once, in float64."""


class Block(NamedTuple):
    """The same weights of all checkpoints and of the model.

    Args:
        entry: Of which tensor.
        start: The first weight, in the order of the model; pairs of numbers of a complex tensor.
        differences: What they differ by from the base [N, weights]. They change with the next block.
    """

    entry: Entry
    start: int
    differences: Tensor

    @property
    def stop(self) -> int:
        """The weight behind the last."""
        return self.start + self.differences.shape[1]


class Stack:
    """The checkpoints of trainings and the model at the origin, in the tensors of a layout.

    A tensor that no checkpoint has has not moved: each has that of the model.

    Args:
        trainings: The trainings.
        layout: The tensors.
        theta: All tensors of the model by name.
        base: Number of the checkpoint that differences are of; near the others, so that they lose no digits.

    Raises:
        ValueError: When a checkpoint is of another model, or lacks what others have.
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
        """How many checkpoints there are, n."""
        return len(self._rows) - 1

    def said(self, i: int) -> str:
        """Checkpoint i of all as a message calls it."""
        for training in self.trainings:
            if i < len(training):
                return training.said(i)
            i -= len(training)
        return "the model"

    def tensors(self, i: int) -> dict[str, Tensor]:
        """All tensors that were kept of checkpoint i, by the names that the model has for them."""
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
        """Real numbers of a tensor of row i, as the layout counts them."""
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
        """A dtype that holds what is read exactly."""
        kept = (
            one.kept[names[e.name]] for one, names in zip(self._rows, self._names, strict=True) for e in self.entries
        )
        return torch.float64 if any(tensor.dtype == torch.float64 for tensor in kept) else torch.float32

    @property
    def narrow(self) -> bool:
        """Whether float32 holds what is read."""
        return self._dtype == torch.float32

    @property
    def size(self) -> int:
        """How many products of weights the scalar products of all pairs have."""
        return len(self._rows) ** 2 * sum(entry.numel for entry in self.entries)

    def blocks(self, dtype: torch.dtype = torch.float64) -> Iterator[Block]:
        """Reads all checkpoints once, and the model.

        Args:
            dtype: Of the differences. Default float64.

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
                        pass  # an exception comes out here
                    for first in range(start, stop, part):
                        differences = read[:, first - start : min(first + part, stop) - start]
                        if dtype != self._dtype:
                            differences = computed[: differences.numel()].view(differences.shape).copy_(differences)
                        differences -= differences[self.base].clone()
                        yield Block(entry, first, differences)

    def _read(self, entry: Entry, start: int, stop: int, i: int, row: Tensor) -> None:
        row.copy_(self._numbers(i, entry, start, stop))

    def _first_not_finite(self) -> int | None:
        """Number of the first row with a NaN or an infinite weight."""
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
            ValueError: When they are not finite because weights are not.
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
    """What each checkpoint calls the tensors of the model; see `_names_in`."""
    known: dict[tuple[str, ...], Mapping[str, str]] = {}
    found = []
    for kept in checkpoints:
        theirs = tuple(kept)
        if theirs not in known:
            known[theirs] = _names_in(names, theirs)
        found.append(known[theirs])
    return found


def _names_in(names: list[str], theirs: Collection[str]) -> Mapping[str, str]:
    """What a checkpoint calls the tensors of the model.

    Besides what wrappers add, either may be a part of the other, as the network in a `LightningModule` is: the names
    of one are then those of the other behind the name of the part.

    Args:
        names: The names that the model has.
        theirs: Those that the checkpoint has.

    Returns:
        The names of the checkpoint by those of the model. What the model has no name for keeps its own.
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
    """Whether two tensors of a checkpoint are the same: one that is tied, under its second name."""
    x, y = one.kept[a], one.kept[b]
    if (x.shape, x.dtype, x.complex) != (y.shape, y.dtype, y.complex):
        return False
    count = (2 if x.complex else 1) * torch.Size(x.shape).numel()
    return not count or torch.equal(one.numbers(a, 0, count), one.numbers(b, 0, count))
