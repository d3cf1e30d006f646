"""Tensors that hold no memory: they are made when they are read, and written into other tensors part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from fastscape.weights.kept import KeptTensors

__all__ = ["Deferred", "Making", "as_kept", "equal", "write"]

_VIEWS = torch.ops.aten.detach.default, torch.ops.aten.alias.default
_EQUAL = torch.ops.aten.equal.default
_OF_TWO = torch.ops.aten.copy_.default, _EQUAL


class Making(Protocol):
    """How a tensor is made."""

    @property
    def like(self) -> Tensor:
        """A tensor of the same shape and dtype, with any content."""

    @property
    def device(self) -> torch.device:
        """The device on which it is made."""

    def write(self, out: Tensor) -> None:
        """Writes the values into a tensor of the same shape, with any strides."""

    def holds(self, other: Tensor) -> bool:
        """Whether a tensor of the same shape and dtype holds the same values."""


class Deferred(Tensor):
    """A tensor that is made when it is read.

    For torch it is a read-only tensor with a shape, a dtype and a device. A read returns the whole tensor in new
    memory; `copy_` into another tensor and `torch.equal` read it part by part.

    Args:
        making: How it is made.
    """

    making: Making

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, making: Making) -> Deferred:  # noqa: D102 - the class has the docstring
        like = making.like
        made = Tensor._make_wrapper_subclass(cls, like.shape, dtype=like.dtype, device=making.device)
        made.making = making
        return made

    def __init__(self, making: Making) -> None:
        pass

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"Deferred({tuple(self.shape)}, dtype={self.dtype})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in _VIEWS:
            return cls(args[0].making)
        written = (*args[:1], (kwargs or {}).get("out"))
        if func._schema.is_mutable and any(isinstance(tensor, cls) for tensor in written):
            raise RuntimeError("a tensor that is made where it is read cannot be written to; clone it first")
        if func in _OF_TWO and isinstance(args[0], cls) != isinstance(args[1], cls):
            one, other = args[:2] if isinstance(args[0], cls) else (args[1], args[0])
            if func is _EQUAL:
                return equal(one, other)
            return write(one, other)
        return func(*tree_map(_whole, tuple(args)), **tree_map(_whole, dict(kwargs or {})))


def as_kept(kept: KeptTensors, name: str, device: torch.device) -> Tensor:
    """The original values of a tensor, read on demand from where they are kept.

    Args:
        kept: The kept tensors.
        name: Its name.
        device: The device of the result.

    Returns:
        The tensor, which takes no memory before it is read.
    """
    return Deferred(_AsKept(kept, name, device))


def write(tensor: Deferred, out: Tensor) -> Tensor:
    """Writes a deferred tensor into another tensor, like `out.copy_(tensor)` but without torch's Python dispatch.

    The first such dispatch of a process imports modules that take 30 MB.

    Args:
        tensor: The tensor.
        out: The tensor that is overwritten.

    Returns:
        `out`.
    """
    if (tensor.shape, tensor.dtype) != (out.shape, out.dtype):
        return out.copy_(_whole(tensor))
    tensor.making.write(out)
    return out


def equal(tensor: Tensor, other: Tensor) -> bool:
    """Whether a tensor, which may be deferred, equals another tensor; like `torch.equal`, but see `write`.

    Args:
        tensor: The tensor.
        other: The other tensor.

    Returns:
        Whether they are equal.
    """
    if not isinstance(tensor, Deferred):
        return torch.equal(tensor, other)
    if (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
        return torch.equal(_whole(tensor), other)
    return tensor.making.holds(other)


@dataclass(frozen=True, eq=False)
class _AsKept:
    """The original values of a tensor."""

    kept: KeptTensors
    name: str
    device: torch.device

    @property
    def like(self) -> Tensor:
        return self.kept.read(self.name)

    def write(self, out: Tensor) -> None:
        out.copy_(self.like)

    def holds(self, other: Tensor) -> bool:
        return torch.equal(other, self.like.to(other.device))


def _whole(value: Any) -> Any:
    """The tensor in memory in place of a deferred tensor."""
    if not isinstance(value, Deferred):
        return value
    out = torch.empty(value.shape, dtype=value.dtype, device=value.device)
    value.making.write(out)
    return out
