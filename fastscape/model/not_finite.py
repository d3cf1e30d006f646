"""Why the loss at a model is not finite: checks the data, the weights and the precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastscape.model.batch_structure import tensors
from fastscape.model.problem import Problem
from fastscape.weights import every_tensor, listed, local

__all__ = ["loss_not_finite"]


def loss_not_finite(user: nn.Module, problem: Problem, centre: Mapping[str, Any]) -> str:
    """The message about a loss at the model that is NaN or infinite.

    Args:
        user: The user's model.
        problem: The problem.
        centre: The loss at the model, and the loss of the model called by itself, as in the report.

    Returns:
        A sentence with the findings in data and weights.
    """
    found = []
    given = [tensor for batch in problem.samples for tensor in tensors(batch.content)]
    if not all(map(_finite, given)):
        found.append("the data hold NaN or infinite values")
    broken = []
    for name, tensor in every_tensor(user).items():
        mask = not isinstance(tensor, nn.Parameter)  # a mask may hold -inf on purpose
        if not _finite(local(tensor), infinite=mask):
            broken.append(name)
    if broken:
        found.append(f"{listed(broken)} of the model hold{'s' if len(broken) == 1 else ''} such values")
    precision = str(problem.dtype).removeprefix("torch.")
    if not found:
        found.append(f"data and weights are finite, so it arises in the model or the loss, in {precision}")
        if problem.dtype != torch.float64:
            found.append("try precision='float64'")
    plain = centre["plain"]
    alone = "" if plain is None or not math.isfinite(plain) else f", and {plain:.6g} when it is called by itself"
    return f"the loss at the model itself is {centre['loss']}{alone}: {'; '.join(found)}"


def _finite(tensor: Tensor, *, infinite: bool = False) -> bool:
    """Whether all values are finite, or, if infinite values are allowed, not NaN."""
    if not (tensor.is_floating_point() or tensor.is_complex()):
        return True
    tensor = tensor if tensor.layout == torch.strided else tensor.to_sparse_coo().coalesce().values()
    return not bool(tensor.isnan().any() if infinite else (~tensor.isfinite()).any())
