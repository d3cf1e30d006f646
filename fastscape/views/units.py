"""Units for numbers that no picture can draw: matplotlib takes 1e-300 for 0, and a browser 1e300 for infinity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["FAR", "Unit", "height_of"]

FAR = 30  # the largest power of ten that is drawn as it is; float32, which browsers draw in, ends at 38


class Unit(NamedTuple):
    """A power of ten that numbers are divided by before they are drawn.

    Args:
        exponent: The power; 0 for numbers that are drawn as they are.

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
            *values: The numbers; NaN is passed over.

        Returns:
            The power of ten of the largest of them if it lies beyond 1e30 or below 1e-30, else 1.
        """
        largest = max(float(np.nanmax(np.abs(array))) for array in values)
        exponent = int(np.floor(np.log10(largest))) if largest > 0 else 0
        return cls(exponent if abs(exponent) > FAR else 0)

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Numbers in this unit.

        Args:
            values: Numbers, in units of 1.

        Returns:
            The numbers divided by the unit, in two steps, because 1e-324 is none that float64 knows.
        """
        half = int(self.exponent / 2)
        return np.asarray(values) / 10.0**half / 10.0 ** (self.exponent - half) if self.exponent else values

    def labelled(self, label: str) -> str:
        """The label of an axis in this unit.

        Args:
            label: The label of the numbers.

        Returns:
            The label, with the unit where it is not 1.
        """
        return f"{label}, in units of 1e{self.exponent}" if self.exponent else label


def height_of(low: float, high: float) -> float:
    """How high a picture is that reaches from one height to another.

    Args:
        low: The lowest height.
        high: The highest.

    Returns:
        Their difference; of heights that are the same to rounding, one that can be seen at their size.
    """
    size = max(abs(low), abs(high))
    return high - low if high - low > 1e-12 * size else max(size, 1.0)
