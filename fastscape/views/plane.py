"""The two axes of a plane: what maps, surfaces, walks and pages need."""

from __future__ import annotations

import numpy as np

from fastscape.results import Values

__all__ = ["plane_of"]


def plane_of(landscape: Values, purpose: str) -> tuple[np.ndarray, np.ndarray]:
    """The axes of a plane.

    Args:
        landscape: The landscape.
        purpose: What it is wanted for: "draw", for example.

    Returns:
        Coordinates [H] and [W], at least two of each.

    Raises:
        ValueError: When the landscape is no plane, or has fewer points.
    """
    if len(landscape.axes) != 2 or min(landscape.shape) < 2:
        raise ValueError(
            f"a landscape of {landscape.shape_text} points has no surface to {purpose}; wanted at least 2 x 2 (a line "
            "is drawn by plot)"
        )
    x, y = landscape.axes.values()
    return x, y
