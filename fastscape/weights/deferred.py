"""Tensors of which nothing is in memory: they are made where they are read, and written over others part by part."""

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
        """A tensor of its shape and dtype, whatever it holds."""

    @property
    def device(self) -> torch.device:
        """Where it is made."""

    def write(self, out: Tensor) -> None:
        """Writes it over a tensor of its shape, of any strides."""

    def holds(self, other: Tensor) -> bool:
        """Whether a tensor of its shape and dtype holds the same."""


class Deferred(Tensor):
    """A tensor that is made when it is read.

    To torch it is a tensor like others, with a shape, a dtype and a device, and it cannot be written to. What reads it
    gets it whole, in memory of its own; `copy_` into another tensor and `torch.equal` take it part by part.

    Args:
        making: How it is made.
    """

    making: Making

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, making: Making) -> Deferred:  # noqa: D102 - the docstring is that of the class
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
        if func._schema.is_mutable and isinstance(args[0], cls):
            raise RuntimeError("a tensor that is made where it is read cannot be written to; clone it first")
        if func in _OF_TWO and isinstance(args[0], cls) != isinstance(args[1], cls):
            one, other = args[:2] if isinstance(args[0], cls) else (args[1], args[0])
            if func is _EQUAL:
                return equal(one, other)
            return write(one, other)
        return func(*tree_map(_whole, tuple(args)), **tree_map(_whole, dict(kwargs or {})))


def as_kept(kept: KeptTensors, name: str, device: torch.device) -> Tensor:
    """A tensor as it was, which is read from where it is kept.

    Args:
        kept: Where it is kept.
        name: Its name.
        device: Where it is wanted.

    Returns:
        The tensor, of which nothing is in memory before it is read.
    """
    return Deferred(_AsKept(kept, name, device))


def write(tensor: Deferred, out: Tensor) -> Tensor:
    """Writes a deferred tensor over another one; as `out.copy_(tensor)`, but without a detour through torch.

    The first such detour of a process imports what takes 30 MB.

    Args:
        tensor: The tensor.
        out: What is written over.

    Returns:
        `out`.
    """
    if (tensor.shape, tensor.dtype) != (out.shape, out.dtype):
        return out.copy_(_whole(tensor))
    tensor.making.write(out)
    return out


def equal(tensor: Tensor, other: Tensor) -> bool:
    """Whether a tensor, which may be deferred, holds what another one does; as `torch.equal`, but see `write`.

    Args:
        tensor: The tensor.
        other: The other one.

    Returns:
        Whether it does.
    """
    if not isinstance(tensor, Deferred):
        return torch.equal(tensor, other)
    if (tensor.shape, tensor.dtype) != (other.shape, other.dtype):
        return torch.equal(_whole(tensor), other)
    return tensor.making.holds(other)


@dataclass(frozen=True, eq=False)
class _AsKept:
    """A tensor as it was."""

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
    """A tensor in memory in the place of a deferred one."""
    if not isinstance(value, Deferred):
        return value
    out = torch.empty(value.shape, dtype=value.dtype, device=value.device)
    value.making.write(out)
    return out
