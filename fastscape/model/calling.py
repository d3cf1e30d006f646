"""What runs the model at one point of weight space: for an objective the model itself, with the point's weights."""

from __future__ import annotations

import collections
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from fastscape.model.batch_structure import mapped

__all__ = ["at_weights", "narrow_arguments"]


class _Places:
    """Where a model registers its parameters and buffers, looked up once.

    `torch.func.functional_call` looks all of them up at every call, which takes longer than a small network itself.

    Args:
        model: The private copy.
        names: Of the tensors that are put there.
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
        # A tensor that is registered twice has one name, and stands in both places.
        every = ((of, leaf, name if name in wanted else tied.get(tensor, "")) for of, leaf, name, tensor in found)
        self.places: list[tuple[dict[str, Tensor | None], str, str]] = [place for place in every if place[2]]
        self.usable &= {name for _, _, name in self.places} == wanted

    def run(self, weights: Mapping[str, Tensor], call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What `call` gives while the tensors stand in their places."""
        before = [registered[leaf] for registered, leaf, _ in self.places]
        try:
            for registered, leaf, name in self.places:
                registered[leaf] = weights[name]
            return call(*args, **kwargs)
        finally:
            for (registered, leaf, _), tensor in zip(self.places, before, strict=True):
                registered[leaf] = tensor


_PLAIN = dict, collections.OrderedDict
_known: weakref.WeakKeyDictionary[nn.Module, _Places] = weakref.WeakKeyDictionary()


class _Run(nn.Module):
    """A model as a part of another one, which is called with what is to be done with it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, run: Callable[..., Any], content: Any, samples: int) -> Any:
        return run(self.model, content, samples)


def narrow_arguments(model: nn.Module, dtype: torch.dtype) -> None:
    """Makes a private copy take floating-point arguments of any precision, and return float32.

    Args:
        model: The private copy.
        dtype: Of its weights, narrower than float32.
    """
    model.register_forward_pre_hook(partial(_narrowed, dtype), with_kwargs=True)
    model.register_forward_hook(_widened)


def _narrowed(dtype: torch.dtype, _: nn.Module, args: Any, kwargs: Any) -> Any:
    return mapped((args, kwargs), lambda t: t.to(dtype) if t.is_floating_point() else t)


def _widened(_model: nn.Module, _args: Any, outputs: Any) -> Any:
    return tree_map(lambda t: t.float() if isinstance(t, Tensor) and t.is_floating_point() else t, outputs)


def at_weights(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    run: Callable[[Any, Any, int], Any],
    content: Any,
    samples: int,
    *,
    custom: bool,
) -> Any:
    """What `run(call, content, samples)` gives, where `call` is the model with some weights.

    Args:
        model: The private copy.
        weights: All parameters and buffers, by name.
        run: What is to be done; see `Objective.sums`.
        content: A batch.
        samples: How many samples it counts as.
        custom: Whether `run` may do more than call the model: then it gets a module, into which the weights are
            swapped for as long as it runs.

    Returns:
        What it gives.
    """
    if not torch.compiler.is_compiling():
        names = list(weights)
        places = _known.get(model)
        if places is None or places.names != names or places.model() is not model:  # some models compare as equal
            places = _known[model] = _Places(model, names)
        if places.usable:
            if custom:
                return places.run(weights, run, model, content, samples)
            return run(partial(places.run, weights, model), content, samples)
    return _called_by_torch(model, weights, run, content, samples, custom=custom)


def _called_by_torch(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    run: Callable[[Any, Any, int], Any],
    content: Any,
    samples: int,
    *,
    custom: bool,
) -> Any:
    """`at_weights` by torch's own `functional_call`, which compiled code knows."""
    if custom:
        held = {f"model.{name}": tensor for name, tensor in weights.items()}
        return functional_call(_Run(model), held, (run, content, samples))

    def call(*args: Any, **kwargs: Any) -> Any:
        return functional_call(model, dict(weights), args, kwargs)

    return run(call, content, samples)
