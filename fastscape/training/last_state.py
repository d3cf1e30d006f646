"""The last state of a training that thinning has left out, for the end of the recording."""

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
    """A state that was not recorded, but may have to be: the model holds it for as long as nobody changes the model.

    Args:
        step: Of the training.
        measures: What would have been recorded beside the weights.
        model: The model, which is not kept alive.
        tensors: All of its tensors, which are not kept alive either.
        versions: How often each has been written to, as torch counts it.
    """

    step: int
    measures: Mapping[str, Any]
    model: weakref.ref[nn.Module]
    tensors: Sequence[weakref.ref[Tensor]]
    versions: Sequence[int | None]

    @classmethod
    def of(cls, model: Other, step: int, measures: Mapping[str, Any], before: LastState | None) -> LastState | None:
        """The state of a model now.

        Args:
            model: A module; a state dict is forgotten by whoever has made it.
            step: Of the training.
            measures: What would be recorded beside the weights.
            before: An earlier state, which may know the tensors of the model: looking for them takes longer than
                looking at them.

        Returns:
            The state; None of a state dict.
        """
        if not isinstance(model, nn.Module):
            return None
        tensors = before.tensors if before is not None and before.model() is model else _tensors(model)
        kept = {name: value.detach() if isinstance(value, Tensor) else value for name, value in measures.items()}
        return cls(step, kept, weakref.ref(model), tensors, _versions(tensors))

    def model_unchanged(self) -> nn.Module | None:
        """The model, if it still is in this state as far as torch can tell."""
        model = self.model()
        if model is None or None in self.versions:
            return None
        now = _tensors(model)
        same = len(now) == len(self.tensors) and all(map(operator.is_, now, self.tensors))
        return model if same and _versions(now) == self.versions else None


def _tensors(model: nn.Module) -> list[weakref.ref[Tensor]]:
    """References, of which each tensor has one: two are of one tensor if they are one object."""
    return [weakref.ref(tensor) for tensor in every_tensor(model).values()]


def _versions(tensors: Sequence[weakref.ref[Tensor]]) -> list[int | None]:
    """None for a tensor that is gone, or whose writes torch does not count."""
    found = [reference() for reference in tensors]
    return [None if tensor is None or tensor.is_inference() else tensor._version for tensor in found]
