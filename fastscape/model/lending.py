"""The user's own model, lent for a run: weights are written into it, and it is put back bit for bit.

This is for models that cannot be copied, or of which a copy reaches the original: scripted and traced models, wrappers
of several devices, weights behind weak references or registries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fastscape.model.copies import forget_kept_results
from fastscape.model.state import Snapshot

__all__ = ["lent", "written_into"]


@contextmanager
def lent(model: nn.Module) -> Iterator[None]:
    """A model holds afterwards what it holds now, bit for bit, whatever happens inside.

    Parameters, buffers, gradients, training modes, attributes, hooks and generators are put back.

    Args:
        model: The user's model.

    Yields:
        Nothing.
    """
    tensors = list({id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}.values())
    kept = [tensor.detach().clone() for tensor in tensors]
    gradients = [None if tensor.grad is None else (tensor.grad, tensor.grad.detach().clone()) for tensor in tensors]
    modes = [(module, module.training) for module in model.modules()]
    state = Snapshot(model)
    try:
        for module in model.modules():
            forget_kept_results(module)
        yield
    finally:
        for module, training in modes:
            module.training = training
        state.put_back()
        for tensor, before, gradient in zip(tensors, kept, gradients, strict=True):
            tensor.data.copy_(before)
            tensor.grad = None if gradient is None else gradient[0]
            if gradient is not None:
                gradient[0].data.copy_(gradient[1])


@torch.no_grad()
def written_into(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors over those of a lent model.

    Args:
        model: The user's model.
        tensors: Parameters and buffers by name.
    """
    own = {**dict(model.named_buffers()), **dict(model.named_parameters())}
    for name, tensor in tensors.items():
        own[name].data.copy_(tensor)
