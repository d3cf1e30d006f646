"""The places where a model holds its parameters and buffers, and temporary tensors in these places."""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from fastscape.model.contents import ATTRIBUTES
from fastscape.model.state import aliases_of, parts_at, parts_of

__all__ = ["HeldTensor", "Places", "held_tensors"]

_PLAIN = dict, collections.OrderedDict


class HeldTensor(NamedTuple):
    """A place where a model holds a parameter or buffer.

    Args:
        owner: The object that holds it: the parameters or buffers of a module, or a list, dictionary or other
            attributes.
        key: The key in the owner.
        name: Name of the tensor, the first of several.
    """

    owner: Any
    key: Any
    name: str


class Places:
    """The places where a model registers its parameters and buffers, looked up once.

    `torch.func.functional_call` looks all of them up at every call, which takes longer than running a small network.

    Args:
        model: The private copy.
        names: Names of the tensors that are put there.
    """

    def __init__(self, model: nn.Module, names: list[str]) -> None:
        self.names, self.usable, self.model = names, True, weakref.ref(model)
        wanted, found = set(names), []
        tied: dict[int, str] = {}
        for path, module in model.named_modules():
            for registered in (module._parameters, module._buffers):
                self.usable &= type(registered) in _PLAIN
                for leaf, tensor in registered.items():
                    name = f"{path}.{leaf}" if path else leaf
                    found.append((registered, leaf, name, id(tensor)))
                    if name in wanted and tensor is not None:
                        tied.setdefault(id(tensor), name)
        # A tensor that is registered twice has one name, and is put into both places.
        every = (
            HeldTensor(of, leaf, name if name in wanted else tied.get(tensor, "")) for of, leaf, name, tensor in found
        )
        self.places = [place for place in every if place.name]
        self.usable &= {name for _, _, name in self.places} == wanted

    def run(self, weights: Mapping[str, Tensor], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of `call` while the tensors are in these places."""
        before = [registered[leaf] for registered, leaf, _ in self.places]
        try:
            for registered, leaf, name in self.places:
                registered[leaf] = weights[name]
            return call(*args, **kwargs)
        finally:
            for (registered, leaf, _), tensor in zip(self.places, before, strict=True):
                registered[leaf] = tensor


def held_tensors(model: nn.Module, names: Iterable[str]) -> list[HeldTensor] | None:
    """Every place where a model holds some of its parameters and buffers, including unregistered places.

    Args:
        model: The model.
        names: Names of the tensors.

    Returns:
        The places, or None if other tensors cannot be put into all of them, as in compiled scripts.
    """
    wanted = list(names)
    registered = Places(model, wanted)
    if not registered.usable:
        return None
    found = list(registered.places)
    for alias in aliases_of(model, parts_of(model)):
        for part in parts_at(model, [alias.way]) if alias.name in registered.names else ():
            owner = vars(part.owner) if part.kind is ATTRIBUTES else part.owner
            found.append(HeldTensor(owner, alias.key, alias.name))
    return found
