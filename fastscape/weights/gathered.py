"""The tensors of a model that `fully_shard` shares out, each whole for as long as it is wanted.

Those that are wanted at the same time are gathered together, as bytes one behind the other:

    process 0:  [a0 . b0 .. c0]      process 1:  [a1 . b1 .. c1]   ->   a = a0 | a1,  b = b0 | b1,  c = c0 | c1

A part that is shorter than that of the first process is padded, and every part begins where any dtype may.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.weights.kept import KeptTensors
from fastscape.weights.selection import tensors_of
from fastscape.weights.sharded import Cut, cut_of

__all__ = ["Gathered"]

ALIGNED = 16  # bytes, a multiple of those of a number of any dtype


class Gathered:
    """The tensors of a model as they were, of which every process keeps its own part; see `KeptTensors`.

    All processes read the same tensors in the same order, as they are gathered when they are read.

    Args:
        model: The model. It is not changed.
        kept: What of its tensors is here.
        device: Where they are gathered.
    """

    def __init__(self, model: nn.Module, kept: KeptTensors, device: torch.device) -> None:
        self._model, self._kept, self._device = tensors_of(model), kept, device
        self._wanted: set[str] = set()
        self._whole: dict[str, Tensor] = {}

    def shape(self, name: str) -> torch.Size:
        """The shape of a tensor."""
        return self._model[name].shape

    def read(self, name: str) -> Tensor:
        """A tensor as it was, in its shape and dtype; it is not to be written to.

        Args:
            name: Its name.

        Returns:
            The tensor. Where it is not here yet all that are wanted and shared out alike are gathered with it.
        """
        if name not in self._whole:
            cut = cut_of(self._model[name])
            alike = sorted(other for other in {*self._wanted, name} - self._whole.keys() if self._cut(other) == cut)
            here = {other: self._kept.read(other).to(self._device) for other in alike}
            self._whole |= here if cut is None else _joined(cut, here, {n: self._model[n].shape for n in alike})
        return self._whole[name]

    def _cut(self, name: str) -> Cut | None:
        return cut_of(self._model[name])

    def only(self, names: Iterable[str]) -> None:
        """Lets all tensors go but those that are wanted from here on.

        Args:
            names: Those that are.
        """
        self._wanted = set(names)
        self._whole = {name: tensor for name, tensor in self._whole.items() if name in self._wanted}

    def close(self) -> None:
        """Lets all tensors go; what is kept is closed by whoever keeps it."""
        self.only(())


def _joined(cut: Cut, here: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Whole tensors of some shapes from what each process has of them, by one call to the others."""
    distributed: Any = sys.modules["torch.distributed"]
    parts = {name: [cut.part(shapes[name], number) for number in range(cut.parts)] for name in here}
    starts, end = {}, 0
    for name, tensor in here.items():
        starts[name] = end
        end += -(-math.prod(parts[name][0]) * tensor.element_size() // ALIGNED) * ALIGNED
    device = next(iter(here.values())).device
    own = torch.zeros(end, dtype=torch.uint8, device=device)
    for name, tensor in here.items():
        flat = tensor.contiguous().view(-1).view(torch.uint8)
        own[starts[name] : starts[name] + len(flat)] = flat
    every = torch.empty(cut.parts * end, dtype=torch.uint8, device=device)
    distributed.all_gather_into_tensor(every, own, group=cut.group)
    found = {}
    for name, tensor in here.items():
        pieces = []
        for row, shape in zip(every.view(cut.parts, end), parts[name], strict=True):
            size = math.prod(shape) * tensor.element_size()
            pieces.append(row[starts[name] : starts[name] + size].view(tensor.dtype).view(shape))
        found[name] = torch.cat(pieces, dim=cut.dim)
    return found
