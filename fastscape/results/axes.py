"""The names of the axes of a landscape."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["AXES", "MOST_AXES", "axis_names", "known_axes"]

AXES = ("x", "y", "z")
"""The names of up to three axes."""

MOST_AXES = 30  # numpy has arrays of 32 dimensions; measures and repeats take one dimension each


def axis_names(count: int) -> tuple[str, ...]:
    """The names of the axes of a landscape.

    Args:
        count: How many axes there are.

    Returns:
        x, y and z for up to three axes; x1, x2 and so on for more axes.

    Example:
        >>> from fastscape.results import axis_names
        >>> axis_names(2), axis_names(4)
        (('x', 'y'), ('x1', 'x2', 'x3', 'x4'))
    """
    return AXES[:count] if count <= len(AXES) else tuple(f"x{k}" for k in range(1, count + 1))


def known_axes(names: Sequence[str]) -> bool:
    """Whether names are the names that a run gives to its axes, or that a slice or a projection leaves.

    Args:
        names: The names, in order.

    Returns:
        Whether they are some of x, y and z, or some of x1, x2 and so on, in this order.
    """
    if all(name in AXES for name in names):
        numbers = [AXES.index(name) for name in names]
    elif all(isinstance(name, str) and re.fullmatch(r"x[1-9]\d{0,3}", name) for name in names):
        numbers = [int(name[1:]) for name in names]
    else:
        return False
    return bool(numbers) and all(a < b for a, b in pairwise(numbers))
