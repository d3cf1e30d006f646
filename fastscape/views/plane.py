"""The two axes of a plane, sorted and checked, for maps, surfaces, walks and pages."""

from __future__ import annotations

import numpy as np

from fastscape.results import Values

__all__ = ["ordered", "plane_of", "scale_of"]

SLIVER = 20  # if one axis is longer by this factor, one scale would shrink the shorter axis to almost nothing


def plane_of(landscape: Values, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """The axes of a plane.

    Args:
        landscape: The landscape.
        purpose: The purpose as a verb for errors, for example "draw".

    Returns:
        Coordinates [H] and [W], at least two of each, in the order of the landscape; `ordered` sorts them.

    Raises:
        ValueError: When the landscape is not a plane, has fewer points, or `ordered` refuses an axis.
    """
    if len(landscape.axes) > 2:
        last = list(landscape.axes)[-1]
        raise ValueError(
            f"a landscape of {len(landscape.axes)} axes ({', '.join(landscape.axes)}) has no surface to {purpose}; "
            f"take fewer of them first: landscape.slice({last}=0.0), or landscape.project({last!r})"
        )
    if len(landscape.axes) != 2 or min(landscape.shape) < 2:
        raise ValueError(
            f"a surface to {purpose} needs at least 2 x 2 points, got a landscape of {landscape.shape_text} points "
            "(plot draws a line)"
        )
    ordered(landscape)
    x, y = landscape.axes.values()
    return x, y


def ordered(landscape: Values) -> list[np.ndarray]:
    """The indices that sort the axes of a landscape.

    Args:
        landscape: The landscape.

    Returns:
        For each axis, the indices of its coordinates in increasing order.

    Raises:
        ValueError: When a coordinate is not finite or occurs twice, or an axis spans more than float64 holds.
    """
    orders = []
    for name, axis in landscape.axes.items():
        if not np.isfinite(axis).all():
            k = int(np.isfinite(axis).argmin())
            raise ValueError(f"{name} must have finite coordinates, got {axis[k]} at {name}[{k}]")
        order = np.argsort(axis)
        same = axis[order][1:] == axis[order][:-1]
        if same.any():
            raise ValueError(f"{name} must have coordinates that all differ, got {axis[order][same.argmax()]:g} twice")
        if axis.max() / 2 - axis.min() / 2 > np.finfo(np.float64).max / 2:
            raise ValueError(f"{name} spans more than float64 can hold, {axis.min():g} to {axis.max():g}; divide it")
        orders.append(order)
    return orders


def scale_of(landscape: Values) -> list[float] | None:
    """The lengths of both axes, if they are known to be orthonormal and a picture can show them at one scale.

    Args:
        landscape: The landscape.

    Returns:
        The lengths; None if each axis has its own scale.
    """
    low_high = [(float(axis.min()), float(axis.max())) for axis in landscape.axes.values()]
    spans = [high / 2 - low / 2 for low, high in low_high]
    if not landscape.orthonormal or not 0 < max(spans) < np.inf or max(spans) > SLIVER * min(spans):
        return None
    return spans
