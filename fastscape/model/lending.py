"""The user's own model, lent for a run: weights are written into it, and it is restored bit for bit.

This is for models that cannot be copied, or whose copy would reach the original: scripted and traced models, wrappers
of several devices, weights behind weak references or registries.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import torch
from torch import Tensor, nn

from fastscape.model.copies import forget_kept_results
from fastscape.model.state import Snapshot
from fastscape.weights import Loan, local, prepared_to_run, resharded, tensors_of

__all__ = ["Lent", "written_into"]

_GRADIENT = "gradient of {}"


class Lent:
    """A lent model, as it was when this object was made.

    Args:
        model: The user's model.
        loan: Keeps a copy of its tensors. Default: on their device.
    """

    def __init__(self, model: nn.Module, loan: Loan | None = None) -> None:
        self._model = model
        prepared_to_run(model)
        self._tensors = tensors_of(model)
        self._gradients = {name: tensor.grad for name, tensor in self._tensors.items()}
        entries = {_GRADIENT.format(name): given for name, given in self._gradients.items() if given is not None}
        self._modes = [(module, module.training) for module in model.modules()]
        self._state = Snapshot(model)
        self._loan = loan or Loan()
        self._loan.take({name: local(tensor) for name, tensor in (self._tensors | entries).items()})
        self.done = False

    def begin(self) -> None:
        """From here on, nothing that the model has kept of its weights is used."""
        for module in self._model.modules():
            forget_kept_results(module)

    def put_back(self) -> None:
        """Restores parameters, buffers, gradients, training modes, attributes, hooks and generators."""
        if self.done:
            return
        resharded(self._model)
        for module, training in self._modes:
            module.training = training
        self._state.put_back()
        for name, tensor in self._tensors.items():
            if (here := local(tensor)) is tensor:
                self._loan.put_in_place(name, tensor)
            here.data.copy_(self._loan.read(name))
        for name, gradient in self._gradients.items():
            self._tensors[name].grad = gradient
            if gradient is not None:
                local(gradient).data.copy_(self._loan.read(_GRADIENT.format(name)))
        self.done = True
        self._loan.close()


@torch.no_grad()
def written_into(model: nn.Module, tensors: Mapping[str, Tensor], loan: Loan, *, anew: Set[str] | None) -> None:
    """Writes tensors into a lent model.

    Args:
        model: The user's model.
        tensors: Parameters and buffers by name; for tensors shared out among processes, the parts that are here.
        loan: Knows what the model already holds.
        anew: Names of the tensors that an evaluation may have changed; None if any tensor may be changed.
    """
    for name, tensor in tensors_of(model).items():
        if (here := local(tensor)) is tensor:
            loan.put_in_place(name, tensor)
        if name in tensors:
            loan.write(here, tensors[name], anew=anew is None or name in anew)
