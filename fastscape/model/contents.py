"""What can change inside the parts of a model, by kind: how it is read, compared and restored."""

from __future__ import annotations

import collections
import functools
import operator
import random
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from fastscape.weights import equal, local

__all__ = ["ATTRIBUTES", "DICT", "LIST", "Kind", "generates", "kind_of", "same_values", "standing_in"]

_ATOMS = (
    str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, types.BuiltinFunctionType, torch.dtype,
    torch.device, torch.Size, torch.layout, torch.memory_format, np.dtype, range, slice, TorchDispatchMode,
)  # fmt: skip


_INSTEAD = "_stands_for"  # attribute of a function: the value that it replaces in an object

# What torch keeps about process groups and about how it shares out a model; a run leaves this to torch.
_OF_PROCESSES = "torch.distributed.", "torch._C._distributed"


class Kind(NamedTuple):
    """How the contents of one kind of part are read, compared and restored."""

    children: Callable[[Any], Iterable[tuple[Any, Any]]]
    child: Callable[[Any, Any], Any]
    save: Callable[[Any], Any]
    same: Callable[[Any, Any], bool]
    put_back: Callable[[Any, Any], None]


def standing_in(function: Callable[..., Any], module: nn.Module) -> Callable[..., Any]:
    """Marks a temporary forward pass of a module: comparisons then see the module's present one.

    Args:
        function: The function that will replace `vars(module)["forward"]`; it has attributes of its own.
        module: The module, before the replacement.

    Returns:
        The function.
    """
    vars(function)[_INSTEAD] = _attributes(module).get("forward")
    return function


def _attributes(owner: Any) -> dict[str, Any]:
    """The attributes of an object, without temporary replacements."""
    own = vars(owner)
    forward = getattr(own.get("forward"), "__dict__", {})
    if _INSTEAD not in forward:
        return own
    seen = {**own, "forward": forward[_INSTEAD]}
    if seen["forward"] is None:
        del seen["forward"]
    return seen


def _items(owner: Any) -> tuple[list[Any], list[Any]]:
    return list(owner), list(owner.values())


def _items_same(owner: Any, saved: tuple[list[Any], list[Any]]) -> bool:
    keys, values = saved
    return len(owner) == len(keys) and all(map(operator.is_, owner.values(), values)) and list(owner) == keys


def _items_put_back(owner: Any, saved: tuple[list[Any], list[Any]]) -> None:
    owner.clear()
    for key, value in zip(*saved, strict=True):
        owner[key] = value


def _list_same(owner: Any, saved: list[Any]) -> bool:
    return len(owner) == len(saved) and all(map(operator.is_, owner, saved))


def _list_put_back(owner: Any, saved: list[Any]) -> None:
    owner.clear()
    owner.extend(saved)


def _set_put_back(owner: Any, saved: set[Any]) -> None:
    owner.clear()
    owner.update(saved)


def same_values(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors hold the same values, with NaN at the same places; tensors that are not dense count as same.

    Args:
        a: A tensor.
        b: Another tensor.

    Returns:
        Whether they hold the same values.
    """
    a, b = local(a), local(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.layout is not torch.strided or a.is_quantized or equal(b, a):
        return True
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num())


@torch.no_grad()
def _tensor_put_back(owner: Tensor, before: Tensor) -> None:
    if owner.shape != before.shape or owner.dtype != before.dtype:
        owner.data = before.clone()
    else:
        owner.copy_(before)


def _function_children(owner: types.FunctionType) -> Iterator[tuple[Any, Any]]:
    yield from ((("cell", k), cell) for k, cell in enumerate(owner.__closure__ or ()))
    yield from ((("default", k), value) for k, value in enumerate(owner.__defaults__ or ()))
    yield from ((("own", name), value) for name, value in vars(owner).items())


def _cell_contents(owner: types.CellType) -> list[Any]:
    try:
        return [owner.cell_contents]
    except ValueError:  # empty
        return []


def _cell_put_back(owner: types.CellType, saved: list[Any]) -> None:
    if saved:
        owner.cell_contents = saved[0]
    else:
        del owner.cell_contents


def _slots(owner: Any) -> list[tuple[str, Any]]:
    """The attributes of an object that has slots and no dictionary."""
    names = [name for base in type(owner).__mro__ for name in _names(vars(base).get("__slots__", ()))]
    return [(name, getattr(owner, name)) for name in names if hasattr(owner, name)]


def _slots_put_back(owner: Any, saved: list[tuple[str, Any]]) -> None:
    for name, value in saved:
        setattr(owner, name, value)


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _nothing(_: Any) -> Any:
    return ()


def _no_child(_owner: Any, _step: Any) -> Any:
    return None


def _listed(children: Callable[[Any], Iterable[tuple[Any, Any]]]) -> Callable[[Any, Any], Any]:
    return lambda owner, step: dict(children(owner)).get(step)


def _item(owner: Any, step: Any) -> Any:
    return owner[step]


def _method_children(owner: types.MethodType) -> list[tuple[str, Any]]:
    return [("__self__", owner.__self__), ("__func__", owner.__func__)]


def _partial_children(owner: functools.partial[Any]) -> list[tuple[str, Any]]:
    return [("func", owner.func), ("args", owner.args), ("keywords", owner.keywords)]


def _always(_owner: Any, _saved: Any) -> bool:
    return True


def _leave(_owner: Any, _saved: Any) -> None:
    return None


ATTRIBUTES = Kind(
    lambda o: list(_attributes(o).items()),
    lambda o, step: _attributes(o)[step],
    lambda o: _items(_attributes(o)),
    lambda o, saved: _items_same(_attributes(o), saved),
    lambda o, saved: _items_put_back(vars(o), saved),
)
_SLOTS = Kind(
    lambda o: _slots(o),
    lambda o, step: getattr(o, step),
    lambda o: _slots(o),
    lambda o, saved: _list_same([part for _, part in _slots(o)], [part for _, part in saved]),
    _slots_put_back,
)
_TENSOR = Kind(
    _nothing,
    _no_child,
    lambda o: o.detach().clone(),
    lambda o, saved: same_values(o.detach(), saved),
    _tensor_put_back,
)
_GENERATOR = Kind(
    _nothing,
    _no_child,
    lambda o: o.get_state(),
    lambda o, saved: torch.equal(o.get_state(), saved),
    lambda o, saved: o.set_state(saved),
)
_ARRAY = Kind(
    _nothing,
    _no_child,
    lambda o: o.copy(),
    lambda o, saved: o.tobytes() == saved.tobytes(),
    lambda o, saved: np.copyto(o, saved),
)
_PYTHON_RANDOM = Kind(
    _nothing, _no_child, lambda o: o.getstate(), lambda o, s: o.getstate() == s, lambda o, s: o.setstate(s)
)
_NUMPY_RANDOM = Kind(
    _nothing,
    _no_child,
    lambda o: _bits(o).state,
    lambda o, saved: repr(_bits(o).state) == repr(saved),
    lambda o, saved: setattr(_bits(o), "state", saved),
)
DICT = Kind(lambda o: list(o.items()), _item, _items, _items_same, _items_put_back)
LIST = Kind(lambda o: list(enumerate(o)), _item, list, _list_same, _list_put_back)
_SET = Kind(_nothing, _no_child, set, lambda o, saved: o == saved, _set_put_back)
_TUPLE = Kind(lambda o: list(enumerate(o)), _item, _nothing, _always, _leave)
_FUNCTION = Kind(
    _function_children,
    _listed(_function_children),
    lambda o: _items(vars(o)),
    lambda o, saved: _items_same(vars(o), saved),
    lambda o, saved: _items_put_back(vars(o), saved),
)
_CELL = Kind(
    lambda o: list(enumerate(_cell_contents(o))),
    lambda o, step: _cell_contents(o)[step],
    _cell_contents,
    lambda o, saved: _list_same(_cell_contents(o), saved),
    _cell_put_back,
)
_METHOD = Kind(_method_children, _listed(_method_children), _nothing, _always, _leave)
_PARTIAL = Kind(_partial_children, _listed(_partial_children), _nothing, _always, _leave)

_KNOWN: weakref.WeakKeyDictionary[type, Kind | None] = weakref.WeakKeyDictionary()
_KINDS: list[tuple[type | tuple[type, ...], Kind]] = [
    (Tensor, _TENSOR),
    (torch.Generator, _GENERATOR),
    (np.ndarray, _ARRAY),
    (random.Random, _PYTHON_RANDOM),
    ((np.random.Generator, np.random.RandomState), _NUMPY_RANDOM),
    (dict, DICT),
    ((list, collections.deque), LIST),
    (set, _SET),
    (tuple, _TUPLE),
    (types.FunctionType, _FUNCTION),
    (types.CellType, _CELL),
    (types.MethodType, _METHOD),
    (functools.partial, _PARTIAL),
]


def _bits(owner: Any) -> Any:
    return owner.bit_generator if isinstance(owner, np.random.Generator) else owner._bit_generator


def generates(kind: Kind) -> bool:
    """Whether a kind is random number generators."""
    return kind in (_GENERATOR, _PYTHON_RANDOM, _NUMPY_RANDOM)


def kind_of(owner: Any) -> Kind | None:
    """The kind of an object; None for an object in which nothing can change.

    Args:
        owner: The object.

    Returns:
        The kind.
    """
    of = type(owner)
    if of not in _KNOWN:
        _KNOWN[of] = _kind_of_type(of)
    return _KNOWN[of]


def _kind_of_type(of: type) -> Kind | None:
    if issubclass(of, _ATOMS) or (of.__module__.startswith(_OF_PROCESSES) and not issubclass(of, nn.Module)):
        return None
    for types_, kind in _KINDS:
        if issubclass(of, types_):
            return kind
    if getattr(of, "__dictoffset__", 0):
        return ATTRIBUTES
    return _SLOTS if any(vars(base).get("__slots__", ()) for base in of.__mro__) else None
