"""First and second derivatives of a loss along a curved path or sheet through weight space.

With `w(s, t) = w + s w_x + t w_y + s^2/2 w_xx + s t w_xy + t^2/2 w_yy`, and g and H the gradient and the Hessian
of the loss L at w,

    L_x = g . w_x,    L_xx = w_x . H w_x + g . w_xx,    L_xy = w_x . H w_y + g . w_xy

and likewise along y. H is never formed. Both ways below are exact. Forward mode keeps no activations and needs a rule
for every operation of the model; reverse mode supports more operations and takes more memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

import torch
from torch import Tensor

from fastscape.weights import jvp

__all__ = [
    "LossOf",
    "ends_in_error",
    "forward_over_forward",
    "leads_to_weights",
    "once_differentiable",
    "reverse_over_reverse",
]

LossOf: TypeAlias = Callable[[Tensor], Tensor]


def leads_to_weights(loss: LossOf, at: Tensor) -> bool:
    """Whether torch can differentiate from the loss back to the weights.

    Args:
        loss: A function of the weights [P].
        at: The weights [P].

    Returns:
        Whether it can; it cannot for a count, or for a loss that is computed without gradients.
    """
    return loss(at.detach().requires_grad_()).requires_grad


def once_differentiable(loss: LossOf, at: Tensor) -> bool:
    """Whether the gradient of a loss passes through a function that torch can differentiate only once.

    Args:
        loss: A function of the weights [P].
        at: The weights [P].

    Returns:
        Whether it does; see `ends_in_error`.
    """
    at = at.detach().requires_grad_()
    try:
        (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True, materialize_grads=True)
    except RuntimeError:  # says more when it is raised again
        return False
    return ends_in_error([gradient])


def ends_in_error(derived: Sequence[Tensor]) -> bool:
    """Whether first derivatives lead to a function that is marked with `once_differentiable`.

    The graph of such a function ends in a node that raises. If only the weights are asked for, torch leaves this node
    out and gives 0.

    Args:
        derived: Derivatives, with the graph that leads to them.

    Returns:
        Whether they lead to such a function.
    """
    seen: set[Any] = set()
    left: list[Any] = [tensor.grad_fn for tensor in derived]
    while left:
        node = left.pop()
        if node is None or node in seen:
            continue
        if node.name().endswith("Error"):  # torch::autograd::Error
            return True
        seen.add(node)
        left += [before for before, _ in node.next_functions]
    return False


def forward_over_forward(loss: LossOf, rows: Tensor, axes: int) -> Tensor:
    """The derivatives by two directional derivatives, one through the other.

    Args:
        loss: A function of the weights [P] that returns a sum [], float64.
        rows: w, the first derivatives of w along the axes, and the second derivatives in the order xx, xy, yy [R, P].
        axes: The number of axes D.

    Returns:
        Derivatives [R - 1] in the order of the rows, float64.
    """
    at, first, second = rows[0], rows[1 : 1 + axes], rows[1 + axes :]
    slopes: dict[int, Tensor] = {}
    bends = []

    def along(at: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = jvp(loss, (at,), (direction,))
        return found

    for (i, j), mixed in zip(combinations_with_replacement(range(axes), 2), second, strict=True):
        # The direction itself turns along the path, by the mixed derivative of w.
        (_, slopes[j]), (slopes[i], bend) = jvp(along, (at, first[j]), (first[i], mixed))
        bends.append(bend)
    return torch.stack([*(slopes[i] for i in range(axes)), *bends]).detach()


def reverse_over_reverse(loss: LossOf, rows: Tensor, axes: int) -> Tensor:
    """The same derivatives by the gradient, and the gradient of its products with the directions.

    Args:
        loss: As for `forward_over_forward`.
        rows: As for `forward_over_forward`.
        axes: As for `forward_over_forward`.

    Returns:
        Derivatives [R - 1], float64.
    """
    at, first, second = rows[0].detach().requires_grad_(), rows[1 : 1 + axes], rows[1 + axes :]
    (gradient,) = torch.autograd.grad(loss(at), at, create_graph=True, materialize_grads=True)
    products = []
    for direction in first:
        slope = gradient @ direction
        products.append(_gradient_of(slope, at))
    bends = [
        products[i].double() @ first[j].double() + gradient.detach().double() @ mixed.double()
        for (i, j), mixed in zip(combinations_with_replacement(range(axes), 2), second, strict=True)
    ]
    return torch.stack([*(gradient.detach().double() @ direction.double() for direction in first), *bends]).detach()


def _gradient_of(value: Tensor, at: Tensor) -> Tensor:
    """The gradient [P]; 0 if the value does not depend on the weights, like the gradient of a linear loss."""
    if not value.requires_grad:
        return torch.zeros_like(at)
    (found,) = torch.autograd.grad(value, at, retain_graph=True, materialize_grads=True)
    return found
