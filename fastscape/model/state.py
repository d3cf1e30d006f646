"""What a forward pass changes in a model in addition to its result: found by comparison, and restored.

A part is something whose contents can change: the attributes of a module or of another object, a dictionary, list, set
or deque, a tensor that is no parameter or buffer, an array, a random number generator. The search for parts starts at
the modules and follows attributes, containers, closures and bound methods. A part is named by the way to it, so that
the same part can be found in a copy of the model.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn

from fastscape.model.contents import ATTRIBUTES, DICT, LIST, Kind, generates, kind_of

__all__ = [
    "Alias",
    "Part",
    "Snapshot",
    "Way",
    "aliases_of",
    "named",
    "parts_at",
    "parts_of",
    "put_at",
    "restored",
]

Way = tuple[Any, ...]
"""Steps from a model to a part of it: attribute names, keys, and indices of items."""

_MOST_PARTS = 1_000_000


class Part(NamedTuple):
    """A part of a model.

    Args:
        way: The way to it.
        owner: The object itself.
        kind: How its contents are read, compared and restored.
    """

    way: Way
    owner: Any
    kind: Kind

    @property
    def draws(self) -> bool:
        """Whether it is a random number generator."""
        return generates(self.kind)


class Alias(NamedTuple):
    """A place in a container where a model holds one of its parameters or buffers a second time.

    Args:
        way: The way to the container.
        key: The key in it.
        name: The name of the tensor.
    """

    way: Way
    key: Any
    name: str


def parts_of(model: nn.Module) -> Iterator[Part]:
    """Every part of a model except its parameters and buffers, each once.

    Args:
        model: The model.

    Yields:
        The parts, outer parts first.
    """
    met = {id(model), *(id(tensor) for tensor in (*model.parameters(), *model.buffers()))}
    kinds: dict[type, Kind | None] = {}  # caches `kind_of`, without the weak references to types
    waiting = collections.deque([Part((), model, ATTRIBUTES)])
    while waiting and len(met) < _MOST_PARTS:
        part = waiting.popleft()
        yield part
        for step, child in part.kind.children(part.owner):
            of = type(child)
            if of not in kinds:
                kinds[of] = kind_of(child)
            if (kind := kinds[of]) is not None and id(child) not in met:
                met.add(id(child))
                waiting.append(Part((*part.way, step), child, kind))


def parts_at(model: nn.Module, ways: Iterable[Way]) -> list[Part]:
    """Parts of a model by the ways to them.

    Args:
        model: The model to which the ways belong, or a copy of it.
        ways: The ways.

    Returns:
        The parts, without those that the copy does not have.
    """
    found = []
    for way in ways:
        owner: Any = model
        try:
            for step in way:
                kind = kind_of(owner)
                owner = None if kind is None else kind.child(owner, step)
        except (KeyError, IndexError, TypeError):
            continue
        if (kind := kind_of(owner)) is not None:
            found.append(Part(way, owner, kind))
    return found


def aliases_of(model: nn.Module, parts: Iterable[Part]) -> tuple[Alias, ...]:
    """The places where a model holds parameters and buffers, other than where modules register them.

    Args:
        model: The model.
        parts: Its parts.

    Returns:
        The places, in lists, dictionaries and attributes.
    """
    names = {id(tensor): name for name, tensor in (*model.named_buffers(), *model.named_parameters())}
    return tuple(
        Alias(part.way, key, names[id(child)])
        for part in parts
        if part.kind in (ATTRIBUTES, DICT, LIST) and part.way[-1:] not in (("_parameters",), ("_buffers",))
        for key, child in part.kind.children(part.owner)
        if id(child) in names
    )


@contextmanager
def put_at(model: nn.Module, places: Iterable[Alias], tensors: Mapping[str, Any]) -> Iterator[None]:
    """Puts other tensors into some places temporarily.

    Args:
        model: The model.
        places: The places.
        tensors: The tensors by name.

    Yields:
        Nothing.
    """
    before = []
    try:
        for place in places:
            for part in parts_at(model, [place.way]):
                owner = vars(part.owner) if part.kind is ATTRIBUTES else part.owner
                before.append((owner, place.key, owner[place.key]))
                owner[place.key] = tensors[place.name]
        yield
    finally:
        for owner, key, tensor in before:
            owner[key] = tensor


class Snapshot:
    """What the parts of a model hold at one moment.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._saved = [(part, part.kind.save(part.owner)) for part in parts_of(model)]
        self.generators = {part.way for part, _ in self._saved if part.draws}
        self.aliases = aliases_of(model, [part for part, _ in self._saved])

    def changed(self) -> list[Way]:
        """The ways to the parts that now hold something else."""
        return [part.way for part, saved in self._saved if not part.kind.same(part.owner, saved)]

    def differences(self) -> list[Way]:
        """The ways to what has changed: to attributes and items of a part if possible, else to the part."""
        found = []
        for part, saved in self._saved:
            if part.kind.same(part.owner, saved):
                continue
            keys: list[Any] = []
            if part.kind in (ATTRIBUTES, DICT):
                before, now = dict(zip(*saved, strict=True)), dict(part.kind.children(part.owner))
                every = dict.fromkeys((*before, *now))
                keys = [key for key in every if before.get(key, before) is not now.get(key, now)]
            found += [(*part.way, key) for key in keys] or [part.way]
        return found

    def put_back(self) -> list[Way]:
        """Gives every changed part its earlier contents.

        Returns:
            The ways to the parts that held something else.
        """
        found = []
        for part, saved in self._saved:
            if not part.kind.same(part.owner, saved):
                found.append(part.way)
                part.kind.put_back(part.owner, saved)
        return found


@contextmanager
def restored(parts: list[Part]) -> Iterator[None]:
    """Restores the parts' present contents on exit.

    Args:
        parts: The parts.

    Yields:
        Nothing.
    """
    saved = [(part, part.kind.save(part.owner)) for part in parts]
    try:
        yield
    finally:
        for part, before in saved:
            part.kind.put_back(part.owner, before)


def named(way: Way) -> str:
    """A way, as an error or a report names it.

    Args:
        way: The way.

    Returns:
        For example "encoder.cache['bias']".
    """
    text = ""
    steps = [step for step in way if not isinstance(step, tuple)]
    skip = False
    for step in steps:
        if skip:
            skip = False
            text += f".{step}" if text else str(step)
        elif step in ("_modules", "_parameters", "_buffers"):
            skip = step == "_modules"
            text += "" if skip else f".{step}"
        elif isinstance(step, str) and step.isidentifier():
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text or "the model's attributes"
