"""A stand-in for a tensor that is not in memory, and is requested when code reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

__all__ = ["ABOUT", "Absent"]

ABOUT = {
    getattr(torch.Tensor, name).__get__ for name in ("shape", "dtype", "device", "ndim", "layout", "requires_grad")
} | {torch.Tensor.dim, torch.Tensor.size, torch.Tensor.numel, torch.Tensor.is_floating_point}
"""Functions of a tensor that need none of its entries."""


class Absent(torch.Tensor):
    """Stands in the place of a tensor, with its shape, dtype and device, but without memory.

    A function that reads it gets the tensor itself, which is requested at that moment.
    """

    read: Callable[[], Tensor]

    @staticmethod
    def of(shape: Iterable[int], dtype: torch.dtype, device: torch.device, read: Callable[[], Tensor]) -> Absent:
        """A stand-in.

        Args:
            shape: Of the tensor.
            dtype: Of the tensor.
            device: Where the tensor is.
            read: Gives the tensor.

        Returns:
            The stand-in.
        """
        make = torch.Tensor._make_wrapper_subclass
        made: Absent = make(Absent, torch.Size(shape), dtype=dtype, device=device)
        made.read = read
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Answers functions that need no entries; every other function gets the tensor."""
        if func in ABOUT:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        return cls.__torch_dispatch__(func, types, args, kwargs)

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Functions that bypass `__torch_function__` get the tensor too."""
        args, kwargs = tree_map(lambda arg: arg.read() if isinstance(arg, cls) else arg, (args, dict(kwargs or {})))
        return func(*args, **kwargs)
