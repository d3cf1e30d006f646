"""A model that is lent: where its tensors are kept meanwhile, and which weights it holds now."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fastscape.weights.deferred import Deferred, Making, write
from fastscape.weights.kept import Keep, KeptTensors, kept_tensors

__all__ = ["Loan"]


class Loan:
    """A model that is lent, of which a copy is kept while a run writes to it.

    Args:
        keep: Where the copy is kept, see `kept_tensors`. Default "device".
        in_place: Whether nothing else of the model is in memory: the weights of a point are made in the model itself.
            Default False.
    """

    def __init__(self, keep: Keep = "device", *, in_place: bool = False) -> None:
        self.keep, self.in_place = keep, in_place
        self._kept: KeptTensors | None = None
        self._holds: dict[int, tuple[Making, int | None]] = {}

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Keeps a copy of tensors, before anything is written to them.

        Args:
            tensors: The tensors by name.
        """
        self._holds = {}
        self._kept = kept_tensors(tensors, self.keep)

    def read(self, name: str) -> Tensor:
        """A tensor as it was; see `KeptTensors.read`."""
        if self._kept is None:
            raise RuntimeError("nothing is kept of the model outside of a run")
        return self._kept.read(name)

    def write(self, tensor: Tensor, weight: Tensor, *, anew: bool) -> None:
        """Writes weights over a tensor of the model, unless it holds them already.

        Only what is made where it is written is worth a look: nobody could tell whether other weights are the same.

        Args:
            tensor: Of the model.
            weight: What is to be there.
            anew: Whether it is written whatever the tensor is known to hold.
        """
        if not isinstance(weight, Deferred):
            self._holds.clear()
            tensor.data.copy_(weight)
            return
        place, now = tensor.data_ptr(), (weight.making, _version(tensor))
        if not anew and self._holds.get(place) == now:
            return
        self._holds.pop(place, None)  # until it is written whole
        write(weight, tensor.data)
        self._holds[place] = now

    def close(self) -> None:
        """Frees what the copy takes."""
        self._holds = {}
        if self._kept is not None:
            self._kept.close()
        self._kept = None


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to, but for what goes through `Tensor.data`; None where nobody counts."""
    return None if torch.is_inference(tensor) else tensor._version
