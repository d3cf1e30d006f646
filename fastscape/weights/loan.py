"""A model that is lent: the copy that is kept of its tensors, and the weights that it holds now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from torch import Tensor

from fastscape.weights.deferred import Deferred, Making, write
from fastscape.weights.kept import Keep, KeptTensors, kept_tensors

__all__ = ["Loan"]


class Loan:
    """A model that is lent. A copy of it is kept while a run writes to it.

    Args:
        keep: Where the copy is kept, see `kept_tensors`. Default "device".
        in_place: Whether the weights of a point are made in the model itself, so that nothing else of the model is in
            memory. Default False.
    """

    def __init__(self, keep: Keep = "device", *, in_place: bool = False) -> None:
        self.keep, self.in_place = keep, in_place
        self._kept: KeptTensors | None = None
        self._holds: dict[int, tuple[Making, int | None]] = {}
        self._places: dict[str, Tensor] = {}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Keeps a copy of tensors, before anything is written to them.

        Args:
            tensors: The tensors by name.

        Raises:
            ValueError: When entries of a tensor share memory, so that they cannot be written one by one.
        """
        for name, tensor in tensors.items():
            _check_apart(name, tensor)
        self._holds = {}
        self._places = {name: tensor.data for name, tensor in tensors.items() if tensor.layout is torch.strided}
        self._kept = kept_tensors(tensors, self.keep)

    def put_in_place(self, name: str, tensor: Tensor) -> None:
        """Gives a tensor its original memory, if `tensor.data = ...` has given it different memory meanwhile.

        Views of this memory, and optimizers that keep all weights in one buffer, then see the tensor.

        Args:
            name: Name of the tensor.
            tensor: The model's own tensor, not the part of it that a process holds.
        """
        place = self._places.get(name)
        if place is not None and _memory(tensor) != _memory(place):
            tensor.data = place

    def read(self, name: str) -> Tensor:
        """The original values of a tensor; see `KeptTensors.read`."""
        if self._kept is None:
            raise RuntimeError("nothing is kept of the model outside of a run")
        return self._kept.read(name)

    def write(self, tensor: Tensor, weight: Tensor, *, anew: bool) -> None:
        """Writes weights into a tensor of the model, unless it holds them already.

        Only weights that are made where they are written are checked: nothing tells whether other weights are the
        same.

        Args:
            tensor: The tensor of the model.
            weight: The weights to write.
            anew: Whether it is written even if the tensor is known to hold these weights.
        """
        if not isinstance(weight, Deferred):
            self._holds.clear()
            tensor.data.copy_(weight)
            return
        if tensor.layout is not torch.strided:  # its memory cannot be found
            write(weight, tensor.data)
            return
        place, now = tensor.data_ptr(), (weight.making, _version(tensor))
        if not anew and self._holds.get(place) == now:
            return
        self._holds.pop(place, None)  # until it is completely written
        with torch.inference_mode() if torch.is_inference(tensor) else nullcontext():
            write(weight, tensor.data)
        self._holds[place] = now

    def close(self) -> None:
        """Frees the copy."""
        self._holds, self._places = {}, {}
        if self._kept is not None:
            self._kept.close()
        self._kept = None


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to, except through `Tensor.data`; None if nothing counts this."""
    return None if torch.is_inference(tensor) else tensor._version


def _memory(tensor: Tensor) -> tuple[object, ...]:
    """The memory of a tensor's entries, and how they are read; empty if this cannot be known."""
    if tensor.layout is not torch.strided:
        return ()
    return tensor.device, tensor.dtype, tensor.data_ptr(), tensor.shape, tensor.stride()


def _check_apart(name: str, tensor: Tensor) -> None:
    if tensor.layout is torch.strided and _overlaps(tensor):
        raise ValueError(
            f"entries of {name} lie in the same memory (shape {list(tensor.shape)}, strides {list(tensor.stride())}), "
            "as expand makes them, so that lend=True cannot write weights into it; leave out lend, or give it memory "
            f"of its own: tensor.data = tensor.data.contiguous(), with {name} for tensor"
        )


def _overlaps(tensor: Tensor) -> bool:
    """Whether entries of a tensor share memory."""
    reach = 0
    sizes = [(stride, size) for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
    for stride, size in sorted(sizes):
        if stride <= reach:
            break
        reach += (size - 1) * stride
    else:
        return False
    if not tensor.numel() or min(sizes)[0] == 0:
        return bool(tensor.numel())
    places = torch.zeros(1, dtype=torch.int64, device="cpu")
    for stride, size in sizes:
        places = (places[:, None] + stride * torch.arange(size, device="cpu")).flatten()
    return len(places.unique()) < math.prod(tensor.shape)
