"""Evaluates in double precision throughout, even if a model itself casts to single precision."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

__all__ = ["Wide", "tensors_in"]

_WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}


class Wide(TorchDispatchMode):
    """Makes every new floating-point tensor double precision.

    Rounding to single precision would hide whether two evaluations agree.
    """

    supports_higher_order_operators = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.computed(func, args, kwargs or {})

    def computed(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of an operation in double precision; a tensor written to, or viewed, keeps its dtype."""
        made = func(*args, **kwargs)
        if any(result.alias_info is not None for result in getattr(func, "_schema").returns):  # noqa: B009
            return made
        return tree_map(_widened, made)


def _widened(value: Any) -> Any:
    return value.to(_WIDE[value.dtype]) if isinstance(value, Tensor) and value.dtype in _WIDE else value


def tensors_in(value: Any) -> Iterable[Tensor]:
    """The tensors in what a model returns.

    Args:
        value: Tensors in containers of any kind that torch knows, or in dataclasses.

    Yields:
        The tensors.
    """
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            for part in fields(leaf):
                yield from tensors_in(getattr(leaf, part.name))
