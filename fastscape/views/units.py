"""Units for numbers that pictures cannot draw: matplotlib treats 1e-300 as 0, and a browser 1e300 as infinity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["FAR", "Unit", "height_of"]

FAR = 30  # the largest power of ten drawn in units of 1; browsers draw in float32, which ends at 38


class Unit(NamedTuple):
    """A power of ten by which numbers are divided before they are drawn.

    Args:
        exponent: The exponent of the power; 0 for a unit of 1.

    Example:
        >>> import numpy as np
        >>> unit = Unit.of(np.array([0.0, 3e300]))
        >>> unit, float(unit.scaled(6e300)), unit.labelled("loss")
        (Unit(exponent=300), 6.0, 'loss, in units of 1e300')
    """

    exponent: int = 0

    @classmethod
    def of(cls, *values: np.ndarray) -> Unit:
        """The unit of numbers.

        Args:
            *values: The numbers; NaN is ignored.

        Returns:
            The power of ten of the largest number, if this number is beyond 1e30 or below 1e-30, else 1.
        """
        largest = max(float(np.nanmax(np.abs(array))) for array in values)
        exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
        return cls(exponent if abs(exponent) > FAR else 0)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Numbers in this unit.

        Args:
            values: Numbers, in units of 1.

        Returns:
            The numbers divided by the unit, in two steps, because float64 has no 1e-324.
        """
        half = int(self.exponent / 2)
        return np.asarray(values) / 10.0**half / 10.0 ** (self.exponent - half) if self.exponent else values

    def labelled(self, label: str) -> str:
        """The label of an axis in this unit.

        Args:
            label: The label of the numbers.

        Returns:
            The label, with the unit if it is not 1.
        """
        return f"{label}, in units of 1e{self.exponent}" if self.exponent else label


def height_of(low: float, high: float) -> float:
    """The height of a picture between two heights.

    Args:
        low: The lowest height.
        high: The highest.

    Returns:
        The difference; for heights that are equal up to rounding, a difference that can be seen at their size.
    """
    size = max(abs(low), abs(high))
    return high - low if high - low > 1e-12 * size else max(size, 1.0)
