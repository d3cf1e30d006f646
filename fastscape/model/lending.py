"""The user's own model, lent for a run: weights are written into it, and it is put back bit for bit.

This is for models that cannot be copied, or of which a copy reaches the original: scripted and traced models, wrappers
of several devices, weights behind weak references or registries.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fastscape.model.copies import forget_kept_results
from fastscape.model.state import Snapshot
from fastscape.weights import local, prepared_to_run, resharded, tensors_here

__all__ = ["Lent", "written_into"]


class Lent:
    """A lent model, as it was when this was made.

    Args:
        model: The user's model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        prepared_to_run(model)
        tensors = list({id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}.values())
        self._tensors = [(tensor, local(tensor).detach().clone()) for tensor in tensors]
        self._gradients = [
            (tensor, tensor.grad, None if tensor.grad is None else local(tensor.grad).detach().clone())
            for tensor in tensors
        ]
        self._modes = [(module, module.training) for module in model.modules()]
        self._state = Snapshot(model)
        self.done = False

    def begin(self) -> None:
        """From here on nothing is taken from what the model has kept of its weights."""
        for module in self._model.modules():
            forget_kept_results(module)

    def put_back(self) -> None:
        """Parameters, buffers, gradients, training modes, attributes, hooks and generators become what they were."""
        if self.done:
            return
        resharded(self._model)
        for module, training in self._modes:
            module.training = training
        self._state.put_back()
        for tensor, before in self._tensors:
            local(tensor).data.copy_(before)
        for tensor, gradient, entries in self._gradients:
            tensor.grad = gradient
            if gradient is not None and entries is not None:
                local(gradient).data.copy_(entries)
        self.done = True


@torch.no_grad()
def written_into(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors over those of a lent model.

    Args:
        model: The user's model.
        tensors: Parameters and buffers by name; of those that are shared out among processes what is here.
    """
    own = tensors_here(model)
    for name, tensor in tensors.items():
        own[name].data.copy_(tensor)
