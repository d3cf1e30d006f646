"""Runs the model at one point of weight space: an objective calls the model itself, with the point's weights."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_map

from fastscape.model.batch_structure import mapped
from fastscape.model.places import Places

__all__ = ["at_weights", "narrow_arguments"]


_known: weakref.WeakKeyDictionary[nn.Module, Places] = weakref.WeakKeyDictionary()


class _Run(nn.Module):
    """A model as a part of another module, which is called with the function to run on it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, run: Callable[..., Any], content: Any, samples: int) -> Any:
        return run(self.model, content, samples)


def narrow_arguments(model: nn.Module, dtype: torch.dtype) -> None:
    """Makes a private copy take floating-point arguments of any precision, and return float32.

    Args:
        model: The private copy.
        dtype: Dtype of its weights, narrower than float32.
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
    """The result of `run(call, content, samples)`, where `call` is the model with some weights.

    Args:
        model: The private copy.
        weights: All parameters and buffers, by name.
        run: The function to run; see `Objective.sums`.
        content: A batch.
        samples: The number of samples that the batch counts as.
        custom: Whether `run` may do more than call the model: it then gets a module, into which the weights are
            swapped while it runs.

    Returns:
        The result of `run`.
    """
    if not torch.compiler.is_compiling():
        names = list(weights)
        places = _known.get(model)
        if places is None or places.names != names or places.model() is not model:  # some models compare as equal
            places = _known[model] = Places(model, names)
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
