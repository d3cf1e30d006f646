"""How the coefficients of a scheme change along the axes, by torch's forward mode in float64."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor

from fastscape.results import axis_names
from fastscape.weights.forward_mode import jvp
from fastscape.weights.space import Space

__all__ = ["check_differentiable", "coefficient_rows"]

STEP = 1e-4  # step in the coordinates of differences that show whether a derivative was lost
ALLOWED = 1e-3  # as a fraction of the nearby coefficients, on top of the error of such a difference


def coefficient_rows(space: Space, points: Tensor) -> Tensor:
    """The coefficients of points, and of the derivatives of their weights along the axes.

    With `w(x, y) = sum_k c_k(x, y) B_k`, the derivatives of w are `sum_k (d c_k / d x) B_k` and so on.

    Args:
        space: The space of the points.
        points: Grid coordinates [G, D], float64.

    Returns:
        Coefficients [G, R, S or 1, K]: of w itself, of the D first derivatives, and of the second derivatives in the
        order xx, xy, yy. NaN where a norm jumps.

    Raises:
        ValueError: When torch cannot differentiate the scheme.
    """
    axes = points.shape[1]
    firsts: dict[int, Tensor] = {}
    seconds, whole = [], points
    try:
        for i, j in combinations_with_replacement(range(axes), 2):
            whole, firsts[i], firsts[j], mixed = _along(space, points, i, j)
            seconds.append(mixed)
    except RuntimeError as error:
        raise ValueError(
            f"curvature='plane' differentiates the scheme, and torch cannot ({str(error).splitlines()[0][:150]}); "
            "write the scheme with torch's own functions of its arguments"
        ) from error
    return torch.stack([whole, *(firsts[i] for i in range(axes)), *seconds], dim=1)


def _along(space: Space, points: Tensor, i: int, j: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The coefficients, their derivatives along axes i and j, and the mixed derivative."""
    coordinates = points.unbind(1)

    def at(changed: dict[int, Tensor]) -> Tensor:
        # A fixed coordinate gets no slope instead of slope 0, because 0 times an infinite slope would be NaN.
        return space.coefficients([changed.get(k, values) for k, values in enumerate(coordinates)])

    def slope(moved: Tensor) -> tuple[Tensor, Tensor]:
        first = moved if i == j else coordinates[i]
        along: tuple[Tensor, Tensor] = jvp(lambda x: at({j: moved, i: x}), (first,), (torch.ones_like(points[:, i]),))
        return along

    (whole, first), (other, mixed) = jvp(slope, (coordinates[j],), (torch.ones_like(points[:, j]),))
    return whole, first, other, mixed


def check_differentiable(space: Space, points: Tensor) -> None:
    """Refuses a scheme in which torch loses the coordinates, as in `float(alpha)`.

    Args:
        space: The space of the points.
        points: Some grid coordinates [n, D], float64.

    Raises:
        ValueError: When the derivatives disagree with differences of the coefficients at most of the points.
    """
    rows = coefficient_rows(space, points)
    for axis, name in enumerate(axis_names(points.shape[1])):
        step = torch.zeros_like(points)
        step[:, axis] = STEP * points[:, axis].abs().clamp(min=1.0)
        places = points - step, points, points + step
        before, here, after = (space.coefficients(at).expand_as(rows[:, 0]) for at in places)
        width = step[:, axis][:, None, None]
        # The forward and the backward difference bound the error of their mean.
        slack = ((after - here) / width - (here - before) / width).abs() + ALLOWED * (1 + rows[:, 1 + axis].abs())
        off = ((after - before) / (2 * width) - rows[:, 1 + axis]).abs() > slack
        if off.flatten(1).any(1).double().mean() > 0.5:
            raise ValueError(
                f"curvature='plane' differentiates the scheme, and torch loses {name} on its way (float(), .item(), "
                ".detach() or numpy do that); write the scheme with torch's own functions of its arguments"
            )
