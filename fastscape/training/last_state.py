"""Remembers the last state of a training that was not recorded, for the end of the recording."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from fastscape.weights import Other, every_tensor

__all__ = ["LastState"]


@dataclass(frozen=True)
class LastState:
    """A state that was not recorded but may be needed: the model holds it until the model changes.

    Args:
        step: The step of the training.
        measures: Numbers that would have been recorded beside the weights.
        model: The model, which is not kept alive.
        tensors: All of its tensors, also not kept alive.
        versions: The version counter of each tensor in torch, which counts writes.
    """

    step: int
    measures: Mapping[str, Any]
    model: weakref.ref[nn.Module]
    tensors: Sequence[weakref.ref[Tensor]]
    versions: Sequence[int | None]

    @classmethod
    def of(cls, model: Other, step: int, measures: Mapping[str, Any], before: LastState | None) -> LastState | None:
        """The current state of a model.

        Args:
            model: A module; for a state dict there is no state, because it may be gone.
            step: The step of the training.
            measures: Numbers that would be recorded beside the weights.
            before: An earlier state, which may know the tensors of the model: finding them takes longer than checking
                them.

        Returns:
            The state; None for a state dict.
        """
        if not isinstance(model, nn.Module):
            return None
        tensors = before.tensors if before is not None and before.model() is model else _tensors(model)
        kept = {name: value.detach() if isinstance(value, Tensor) else value for name, value in measures.items()}
        return cls(step, kept, weakref.ref(model), tensors, _versions(tensors))

    def model_unchanged(self) -> nn.Module | None:
        """The model, if it is still in this state as far as torch can tell."""
        model = self.model()
        if model is None or None in self.versions:
            return None
        now = _tensors(model)
        same = len(now) == len(self.tensors) and all(map(operator.is_, now, self.tensors))
        return model if same and _versions(now) == self.versions else None


def _tensors(model: nn.Module) -> list[weakref.ref[Tensor]]:
    """Weak references to the tensors, one reference per tensor: references to one tensor are the same object."""
    return [weakref.ref(tensor) for tensor in every_tensor(model).values()]


def _versions(tensors: Sequence[weakref.ref[Tensor]]) -> list[int | None]:
    """The version counter of a tensor; None if the tensor is gone or torch does not count its writes."""
    found = [reference() for reference in tensors]
    return [None if tensor is None or tensor.is_inference() else tensor._version for tensor in found]
