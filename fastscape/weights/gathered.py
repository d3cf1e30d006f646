"""The tensors of a model that `fully_shard` shares out, each whole for as long as it is needed.

Tensors that are needed at the same time are gathered together, as bytes one after another:

    process 0:  [a0 . b0 .. c0]      process 1:  [a1 . b1 .. c1]   ->   a = a0 | a1,  b = b0 | b1,  c = c0 | c1

A part that is shorter than the first process's part is padded. Every part begins at an address for any dtype.
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

ALIGNED = 16  # bytes, a multiple of the size of any number


class Gathered:
    """The original tensors of a model, of which every process keeps its own part; see `KeptTensors`.

    All processes read the same tensors in the same order, as they are gathered when they are read.

    Args:
        model: The model. It is not changed.
        kept: The parts of its tensors in this process.
        device: The device on which they are gathered.
    """

    def __init__(self, model: nn.Module, kept: KeptTensors, device: torch.device) -> None:
        self._model, self._kept, self._device = tensors_of(model), kept, device
        self._wanted: set[str] = set()
        self._whole: dict[str, Tensor] = {}

    def shape(self, name: str) -> torch.Size:
        """The shape of a tensor."""
        return self._model[name].shape

    def read(self, name: str) -> Tensor:
        """The original values of a tensor, in its shape and dtype; do not write to it.

        Args:
            name: Its name.

        Returns:
            The tensor. If it is not here yet, all needed tensors that are shared out alike are gathered with it.
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
        """Releases all tensors except those that are still needed.

        Args:
            names: Names of the tensors that are still needed.
        """
        self._wanted = set(names)
        self._whole = {name: tensor for name, tensor in self._whole.items() if name in self._wanted}

    def close(self) -> None:
        """Releases all tensors; whoever keeps the parts closes them."""
        self.only(())


def _joined(cut: Cut, here: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    """Whole tensors of some shapes from the parts of all processes, in one collective call."""
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
