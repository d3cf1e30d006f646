"""Puts the weights of one block at a time into the model, for the point whose pass runs, and takes them out again."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from fastscape.engine.layers import Absent
from fastscape.engine.lock_step import LockStep
from fastscape.engine.shared_state import SharedState
from fastscape.model import HeldTensor, held_tensors, standing_in, units_of
from fastscape.weights import BasisRows, Entry, Gathered, Place, Rows

__all__ = ["Blocks", "Sweep"]

ROWS = 256 << 20  # bytes of basis vectors kept for all points; further vectors are read again per point, in parts


class _Stop(NamedTuple):
    """Where a pass waits.

    Args:
        unit: The number of the part of the model that the pass is in; None outside all parts.
        name: The name of a tensor of a different part that the pass reads there, or None.
    """

    unit: int | None
    name: str | None = None


class _Part(NamedTuple):
    """A part of the model.

    Args:
        module: The part.
        names: The names of its tensors that move or are gathered, and of tensors of other parts that it was seen to
            read.
    """

    module: nn.Module
    names: set[str]


class _Present(NamedTuple):
    """A tensor that is in the model at the moment.

    Args:
        tensor: The tensor at the point whose pass runs.
        sign: The stand-in that replaces the tensor afterwards.
    """

    tensor: Tensor
    sign: Tensor


class _First:
    """The records of the first sweep: the shared state, and how many bytes a pass brings to a part.

    Args:
        shared: The state that the passes share.
    """

    def __init__(self, shared: SharedState) -> None:
        self.shared, self.held = shared, 0

    def brought(self, tensors: Iterable[Tensor]) -> None:
        """Records the size of the tensors that a pass brings to a part."""
        self.held = max(self.held, sum(tensor.numel() * tensor.element_size() for tensor in tensors))


class Blocks:
    """The parts of a model and the tensors that each of them has.

    Args:
        model: The model.
        still: Its tensors that do not move, by name.
        entries: The tensors that move.
        dtypes: The dtype, by name, of each tensor that is in the model only while a part that has it runs: of the
            tensors that move, and of the tensors that are gathered.
        place: Where the tensors are made.
        gathered: Gathers tensors that are sharded over several processes. Default: no tensor is sharded.
    """

    def __init__(
        self,
        model: nn.Module,
        still: Mapping[str, Tensor],
        entries: Sequence[Entry],
        dtypes: Mapping[str, torch.dtype],
        place: Place,
        gathered: Gathered | None = None,
    ) -> None:
        self.model, self.still, self.dtypes, self.place, self.gathered = model, still, dtypes, place, gathered
        self.entries = {entry.name: entry for entry in entries}
        self.parts = [_Part(unit.module, set()) for unit in units_of(model)]
        self.places: dict[str, list[HeldTensor]] = {name: [] for name in (*still, *dtypes)}
        held = held_tensors(model, self.places)
        self.usable = held is not None
        unit_of = {
            id(registered): number
            for number, part in enumerate(self.parts)
            for module in part.module.modules()
            for registered in (module._parameters, module._buffers)
        }
        self.held: int | None = None  # the most bytes that a pass brings to a part; None before a sweep
        for at in held or ():
            self.places[at.name].append(at)
            if at.name in dtypes and id(at.owner) in unit_of:
                self.parts[unit_of[id(at.owner)]].names.add(at.name)


class Sweep:
    """Passes through a model at some points, which go through its parts together.

    A moving tensor is in the model only while a part that has it runs. At other times a stand-in takes its place: a
    pass that reads the stand-in waits, as in front of a part, until the tensor is there. So the only assumption about
    the model is that its passes change no shared state. The first sweep checks this wherever a pass waits.

    Args:
        blocks: The parts of the model.
        rows: The vectors of the basis, tensor by tensor.
        coefficients: Of the points [g, S or 1, K].
        points: The point of each pass.
        surrounding: The context in which a pass runs; see `LockStep`.
    """

    def __init__(
        self,
        blocks: Blocks,
        rows: Rows,
        coefficients: Tensor,
        points: Sequence[int],
        surrounding: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.blocks, self._source, self._c, self._points = blocks, rows, coefficients, points
        self._step = LockStep(self._entered, surrounding)
        self._thread = threading.local()
        self._rows: dict[str, Tensor] = {}  # of the place where the passes are
        self._present: dict[str, _Present] = {}  # of the point whose pass runs
        self._now: tuple[_Stop | None, int] = (None, -1)
        self._first: _First | None = None

    def run(self, passes: Sequence[Callable[[], Any]]) -> list[Any]:
        """Runs the passes together.

        Args:
            passes: Functions, each of which calls the model.

        Returns:
            The results of the passes, in order.
        """
        with self._installed():
            if self.blocks.held is None:
                self._first = _First(SharedState(self.blocks.model, self.blocks.place.device))
            try:
                made = self._step.run(passes)
                self._compare()
            except BaseException:
                if self._first is not None:
                    self._take_out(self._present)
                    self._first.shared.put_back()
                raise
            if self._first is not None:
                self.blocks.held = self._first.held
        return made

    @contextmanager
    def _installed(self) -> Iterator[None]:
        """Takes the weights out of the model, and adds a place to wait in front of each part."""
        blocks = self.blocks
        before = [(owner, key, owner[key]) for places in blocks.places.values() for owner, key, _ in places]
        modules = [part.module for part in blocks.parts]
        own = [(module, "forward" in vars(module), module.forward) for module in modules]
        try:
            for name, tensor in blocks.still.items():
                self._put(name, tensor)
            for name in blocks.dtypes:
                self._put(name, self._absent(name))
            for number, (module, _, forward) in enumerate(own):
                vars(module)["forward"] = standing_in(self._waiting(number, forward), module)
            yield
        finally:
            for module, there, forward in own:
                if there:
                    vars(module)["forward"] = forward
                else:
                    vars(module).pop("forward", None)
            for owner, key, tensor in before:
                owner[key] = tensor
            self._present.clear()  # stand-ins refer to this sweep, and would keep it until garbage collection
            self._rows, self._first = {}, None
            if blocks.gathered is not None:
                blocks.gathered.close()

    def _waiting(self, number: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """The forward pass of a part, which waits until its weights are there."""

        @functools.wraps(forward)
        def called(*args: Any, **kwargs: Any) -> Any:
            inside = self._inside
            inside.append(number)
            if self._first is not None:
                self._first.brought(_tensors((args, kwargs)))
            # Tensors that are there already, as for every chunk of a head's rows, need not be made again.
            if not self.blocks.parts[number].names <= self._present.keys():
                self._step.arrive(_Stop(number))
            try:
                return forward(*args, **kwargs)
            finally:
                inside.pop()  # the weights of the calling part return when they are read

        return called

    @property
    def _inside(self) -> list[int]:
        """The parts that the pass of this thread is in, the innermost last."""
        found: list[int] = self._thread.__dict__.setdefault("inside", [])
        return found

    def _read(self, name: str) -> Tensor:
        """The tensor behind a stand-in that a pass reads."""
        if name not in self._present:
            inside = self._inside[-1] if self._inside else None
            if inside is not None:
                self.blocks.parts[inside].names.add(name)
            self._step.arrive(_Stop(inside, name))
        return self._present[name].tensor

    def _entered(self, place: _Stop | None, number: int) -> None:
        """Puts the tensors of a place into the model, for the point of a pass."""
        point = self._points[number]
        self._compare()
        if (place, point) == self._now:
            return
        wanted = self._wanted(place)
        self._rows = {name: rows for name, rows in self._rows.items() if name in wanted}
        if self.blocks.gathered is not None:
            self.blocks.gathered.only(wanted)
        stays = wanted if point == self._now[1] else set()
        self._take_out(self._present.keys() - stays)
        for name in sorted(wanted - self._present.keys()):
            owner, key, _ = self.blocks.places[name][0]
            self._present[name] = _Present(self._made(name, point), owner[key])
            self._put(name, self._present[name].tensor)
        self._now = (place, point)

    def _compare(self) -> None:
        """Checks the shared state in the first sweep, while the weights of the point are out of the model."""
        if self._first is None:
            return
        present = dict(self._present)
        self._take_out(present)
        self._first.shared.check()
        for name, here in present.items():
            self._put(name, here.tensor)
        self._present.update(present)

    def _take_out(self, names: Iterable[str]) -> None:
        """Replaces tensors in the model by their stand-ins."""
        for name in list(names):
            self._put(name, self._present.pop(name).sign)

    def _wanted(self, place: _Stop | None) -> set[str]:
        if place is None:
            return set()
        own = set() if place.unit is None else self.blocks.parts[place.unit].names
        return own | {place.name} if place.name else set(own)

    def _made(self, name: str, point: int) -> Tensor:
        """A tensor at a point, in new memory: an autograd graph or a view may use it after its part has run."""
        if name not in self.blocks.entries:  # it does not move
            assert self.blocks.gathered is not None
            return self.blocks.gathered.read(name).to(self.blocks.dtypes[name])
        entry, source, c = self.blocks.entries[name], self._source, self._c[point]
        dtype = self.blocks.place.precision.weights
        if name not in self._rows and self._kept(entry):
            self._rows[name] = source.rows(entry)
        if name in self._rows:
            flat = source.combined(self._rows[name], c, entry.offset, dtype=dtype)
        else:
            flat = torch.empty(entry.numel, dtype=dtype, device=self.blocks.place.device)
            for part in source.parts(entry):
                own = flat[part.start - entry.offset : part.stop - entry.offset]
                own.copy_(source.combined(source.rows(entry, part), c, part.start, dtype=dtype))
        return replace(entry, offset=0).taken(flat).to(self.blocks.dtypes[name])

    def _kept(self, entry: Entry) -> bool:
        """Whether the vectors of a tensor are kept for all points."""
        if not entry.numel:
            return False
        if isinstance(self._source, BasisRows) and self._source.resident:
            return True
        held = sum(rows.numel() * rows.element_size() for rows in self._rows.values())
        wide = self.blocks.place.precision.basis.itemsize
        return held + self._c.shape[2] * entry.numel * wide <= ROWS

    def _absent(self, name: str) -> Absent:
        blocks, entry = self.blocks, self.blocks.entries.get(name)
        if entry is None:
            assert blocks.gathered is not None
            shape = blocks.gathered.shape(name)
        else:
            shape = torch.Size(entry.shape)
        return Absent.of(shape, blocks.dtypes[name], blocks.place.device, functools.partial(self._read, name))

    def _put(self, name: str, tensor: Tensor) -> None:
        for owner, key, _ in self.blocks.places[name]:
            owner[key] = tensor


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]
