"""Copies of a model that share its parameters and buffers, and nothing else that can change.

`copy.deepcopy` does not copy functions. A hook, a lambda or a wrapped `forward` that closes over the model, or over a
list of the user's, would therefore reach the original from the copy. Here such functions get copies of the objects
they close over.
"""

from __future__ import annotations

import collections
import copy
import functools
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.contents import kind_of
from fastscape.model.state import parts_of
from fastscape.weights import dtype_of

__all__ = ["forget_kept_results", "private_copy", "twin", "whole_copy"]

_KEPT: weakref.WeakKeyDictionary[type, list[tuple[str, types.FunctionType | None]]] = weakref.WeakKeyDictionary()
_COPIED_EMPTY = dict, collections.OrderedDict, list, set
_CONTAINERS = dict, list, set, tuple, Tensor, torch.Generator


def twin(model: nn.Module) -> nn.Module:
    """A copy of a private copy, for another thread or with other layers; it shares parameters and buffers."""
    return _copied(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})


def whole_copy(model: nn.Module) -> nn.Module:
    """A copy of a model that shares nothing with it that can change.

    Args:
        model: Any module. It is not changed.

    Returns:
        The copy.
    """
    known: dict[int, Any] = {}
    copied = _copied(model, known)
    for module in copied.modules():
        forget_kept_results(module)
    return copied


def private_copy(model: nn.Module, *, device: torch.device, dtype: torch.dtype | None) -> nn.Module:
    """A copy of the module structure that shares parameters and buffers with the original.

    The engine swaps weights in and out of the copy, so the user's model is never written to, not even temporarily. The
    copy costs no memory, because parameters and buffers are shared. Attributes and hooks are copied too: what a
    forward pass leaves on the module stays on the copy. Results that a class keeps of its objects' weights
    (`functools.cached_property`, `functools.lru_cache` on methods) are not copied, and not kept.

    Args:
        model: Any module. It is not changed.
        device: The device for tensors that are plain attributes.
        dtype: The dtype for floating-point ones among these, and the precision of complex ones; None keeps theirs.

    Returns:
        The copy.

    Raises:
        TypeError: When the model is a compiled script or a data-parallel wrapper, or cannot be copied.
    """
    if isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            "the model must be a Python module, got TorchScript, whose weights cannot be swapped; give the Python "
            "module, or write lend=True: fastscape then writes weights into this model and puts them back"
        )
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        raise TypeError(
            f"the model came wrapped in {type(model).__name__}; give the module inside: model.module, or lend=True"
        )
    known: dict[int, Any] = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        for tensor in _tensors(vars(module)):
            known.setdefault(id(tensor), tensor.detach().to(device, dtype_of(tensor, dtype), copy=True))
    try:
        copied = _copied(model, known)
    except Exception as error:
        raise TypeError(
            f"{type(model).__name__} cannot be copied ({error}); landscapes are evaluated on a copy so that your "
            "model stays untouched: write lend=True to have weights written into your own model, and put back"
        ) from error
    if {id(module) for module in model.modules()} & {id(module) for module in copied.modules()}:
        raise TypeError(
            f"the __deepcopy__ of {type(model).__name__}, or of a module in it, returns the module itself; let it "
            "return a copy, because landscapes are evaluated on a copy so that your model stays untouched"
        )
    for module in copied.modules():
        forget_kept_results(module)
    return copied


def _copied(model: nn.Module, known: dict[int, Any]) -> nn.Module:
    """A deep copy, whose functions reach copies of the parts that the model's functions reach."""
    parts = [part.owner for part in parts_of(model)]
    for tensor in (*model.parameters(), *model.buffers(), *parts):
        if isinstance(tensor, Tensor) and not (tensor.is_leaf and tensor.layout is torch.strided):
            known.setdefault(id(tensor), tensor.detach().clone())  # copy.deepcopy refuses these
    for part in parts:
        if type(part) in _COPIED_EMPTY and not part:  # a module has ten, for hooks: copy.deepcopy is slow on them
            known.setdefault(id(part), type(part)())
    copied = copy.deepcopy(model, known)
    if any(map(_reaches_others, parts)):
        _Closures(known, set(map(id, parts))).replace_in(copied)
    return copied


def _reaches_others(part: Any) -> bool:
    """Whether a part is a function that `copy.deepcopy` would leave with references to the original."""
    if isinstance(part, types.FunctionType):
        return bool(part.__closure__) or any(kind_of(value) is not None for value in part.__defaults__ or ())
    return isinstance(part, types.MethodType | functools.partial)


class _Closures:
    """Gives functions copies of the objects they close over.

    Args:
        known: The copies that `copy.deepcopy` has made so far, by identity. It is extended.
        originals: Identities of objects that belong to the user, and are not written to.
    """

    def __init__(self, known: dict[int, Any], originals: set[int]) -> None:
        self.known, self.originals = known, originals
        self.copies = set(map(id, known.values()))

    def replace_in(self, root: Any) -> None:
        """Replaces the functions in a copy, in all containers and objects that it consists of."""
        met: set[int] = set()
        waiting = [root]
        while waiting:
            owner = waiting.pop()
            if id(owner) in met or id(owner) in self.originals:
                continue
            met.add(id(owner))
            container = owner
            if not isinstance(owner, dict | list):
                if isinstance(owner, Tensor | types.FunctionType | type) or not hasattr(owner, "__dict__"):
                    waiting.extend(owner if isinstance(owner, tuple) else ())
                    continue
                container = vars(owner)
            for key, value in list(container.items() if isinstance(container, dict) else enumerate(container)):
                made = self.of(value)
                if made is not value:
                    container[key] = made
                waiting.append(made)

    def of(self, value: Any) -> Any:
        """A value whose functions close over copies; the value itself if it has no functions."""
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            function, own = self.of(value.__func__), self.known.get(id(value.__self__), value.__self__)
            unchanged = function is value.__func__ and own is value.__self__
            return value if unchanged else types.MethodType(function, own)
        if isinstance(value, functools.partial):
            args = [self._held(part) for part in value.args]
            keywords = {name: self._held(part) for name, part in value.keywords.items()}
            return functools.partial(self.of(value.func), *args, **keywords)
        if type(value) is tuple and any(isinstance(part, types.FunctionType | types.MethodType) for part in value):
            return tuple(map(self.of, value))
        return value

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        if id(function) in self.known:
            found: types.FunctionType = self.known[id(function)]
            return found
        closure, defaults = function.__closure__ or (), tuple(map(self._held, function.__defaults__ or ()))
        if not closure and all(a is b for a, b in zip(defaults, function.__defaults__ or (), strict=True)):
            return function
        cells = [types.CellType() for _ in closure]
        made = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, defaults or None, tuple(cells)
        )
        functools.update_wrapper(made, function, updated=("__dict__",))
        if "__wrapped__" not in vars(function):
            vars(made).pop("__wrapped__", None)
        made.__kwdefaults__ = function.__kwdefaults__
        self.known[id(function)], self.known[id(made)] = made, made
        for cell, given in zip(cells, closure, strict=True):
            try:
                cell.cell_contents = self._held(given.cell_contents)
            except ValueError:  # an empty cell, for a name that is bound later
                continue
        return made

    def _held(self, value: Any) -> Any:
        """The copy of an object that a function closes over: modules and containers are copied, others are shared."""
        if id(value) in self.copies:
            return value
        if id(value) in self.known:
            return self.known[id(value)]
        if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
            return self.of(value)
        if isinstance(value, (nn.Module, *_CONTAINERS)):
            try:
                made = copy.deepcopy(value, self.known)
            except Exception:  # what cannot be copied stays shared, and a probe detects writes to it
                return value
            self.copies = set(map(id, self.known.values()))
            self.replace_in(made)
            return made
        return value


def forget_kept_results(module: nn.Module) -> None:
    """Makes a module compute what its class would keep of its weights again at every evaluation.

    Args:
        module: The module, whose own attributes are changed.
    """
    own = vars(module)
    for name, method in _kept_by(type(module)):
        if method is None:
            own.pop(name, None)
        elif name not in own:
            own[name] = types.MethodType(method, module)


def _kept_by(kind: type) -> list[tuple[str, types.FunctionType | None]]:
    """The names of a class's cached properties, and its cached methods without their caches."""
    if kind not in _KEPT:
        found: list[tuple[str, types.FunctionType | None]] = []
        for name, member in ((n, m) for base in kind.__mro__ for n, m in vars(base).items()):
            if isinstance(member, functools.cached_property):
                found.append((member.attrname or name, None))
            elif hasattr(member, "cache_info"):  # functools.lru_cache
                wrapped = getattr(member, "__wrapped__", None)
                found += [(name, wrapped)] if isinstance(wrapped, types.FunctionType) else []
        _KEPT[kind] = found
    return _KEPT[kind]


def _tensors(value: object) -> Iterator[Tensor]:
    """The tensors in an attribute, also inside lists, tuples and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
