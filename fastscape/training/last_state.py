"""The last state of a training that thinning has left out, for the end of the recording."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
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
        versions: How often each of its tensors has been written to; None where torch does not count.
    """

    step: int
    measures: Mapping[str, Any]
    model: weakref.ref[nn.Module]
    versions: list[tuple[int, int]] | None

    @classmethod
    def of(cls, model: Other, step: int, measures: Mapping[str, Any]) -> LastState | None:
        """The state of a model now.

        Args:
            model: A module; a state dict is forgotten by whoever has made it.
            step: Of the training.
            measures: What would be recorded beside the weights.

        Returns:
            The state; None of a state dict.
        """
        if not isinstance(model, nn.Module):
            return None
        kept = {name: value.detach() if isinstance(value, Tensor) else value for name, value in measures.items()}
        return cls(step, kept, weakref.ref(model), _versions(model))

    def model_unchanged(self) -> nn.Module | None:
        """The model, if it still is in this state as far as torch can tell."""
        model = self.model()
        return model if model is not None and self.versions and _versions(model) == self.versions else None


def _versions(model: nn.Module) -> list[tuple[int, int]] | None:
    tensors = every_tensor(model).values()
    if any(tensor.is_inference() for tensor in tensors):
        return None
    return [(id(tensor), tensor._version) for tensor in tensors]
