"""What a landscape is made of, on its way from a run or a file."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Parts"]


class Parts(NamedTuple):
    """The arguments of a landscape, in their order."""

    x: np.ndarray
    y: np.ndarray | None
    loss: np.ndarray
    metrics: dict[str, np.ndarray]
    report: dict[str, Any]
    standard_error: np.ndarray | None = None
    evaluated: Any = None  # an array, or None for every point
