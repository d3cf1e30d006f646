"""From the user's model to a problem: the private copy, and copies of all tensors that do not move."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastscape.model.calling import narrow_arguments
from fastscape.model.copies import private_copy
from fastscape.model.data import Samples
from fastscape.model.objective import Objective
from fastscape.model.problem import Problem
from fastscape.model.replica import Mode, set_mode
from fastscape.weights import Place, as_kept, dtype_of, owners, tensors_here

__all__ = ["problem_of"]


def problem_of(
    model: nn.Module,
    moving: set[str],
    objective: Objective,
    samples: Samples,
    place: Place,
    mode: Mode = Mode(),  # noqa: B008 - it is a tuple
) -> Problem:
    """The problem with copies of all tensors that do not move: a forward pass may write to them.

    If the model is written in place, these tensors are made again from the kept copy.

    Args:
        model: The user's model. It is not changed, unless it is lent.
        moving: Names of the tensors that move.
        objective: What is measured.
        samples: The samples, on the device.
        place: The device and precision. Batch normalisation keeps float32 if the weights are narrower.
        mode: The mode in which the model is evaluated. Default: as in use.

    Returns:
        The problem.
    """
    device, dtype = place.device, place.precision.weights
    found = tensors_here(model)
    wide = _batch_normalisation(model, moving) if dtype.itemsize < 4 else set()

    def kind(name: str, tensor: Tensor) -> torch.dtype:
        return dtype_of(tensor, None if place.own else torch.float32 if name in wide else dtype)

    if place.lent is not None and place.lent.in_place:
        still = {name: as_kept(place.lent, name, device) for name in found if name not in moving}
    else:
        still = {n: t.detach().to(device, kind(n, t), copy=True) for n, t in found.items() if n not in moving}
    copied = (
        model if place.lent is not None else private_copy(model, device=device, dtype=None if place.own else dtype)
    )
    set_mode(copied, mode)
    if place.precision.reduced and not place.own:
        narrow_arguments(copied, dtype)
    dtypes = {name: tensor.dtype for name, tensor in found.items()} if place.mixed else {}
    whole = mode.batchnorm != "running"
    return Problem(copied, still, objective.over(samples), samples, place, mode.batchnorm, whole=whole, dtypes=dtypes)


def _batch_normalisation(model: nn.Module, moving: set[str]) -> set[str]:
    """The parameters and buffers of batch normalisation, except for layers with moving tensors: torch cannot mix."""
    layers = {
        n: owner for n, (owner, _) in owners(model).items() if isinstance(owner, nn.modules.batchnorm._BatchNorm)
    }
    narrow = {id(owner) for name, owner in layers.items() if name in moving}
    return {name for name, owner in layers.items() if id(owner) not in narrow}
