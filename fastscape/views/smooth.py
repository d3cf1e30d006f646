"""A smooth surface through grid values, with its gradient: bicubic Hermite interpolation.

    f(x, y) = sum_ab H_a(u) Z_ab H_b(v),   u = (x - x_i) / (x_i+1 - x_i),   v likewise along y

H are the four cubic Hermite polynomials. Z are the heights of the four corners of a cell, with their slopes along x
and y and their twists. A slope is the slope of the parabola through a grid point and its two neighbours; at the
border, through the three nearest points; for two points, the slope of the line. So f passes through all values, is
continuous with its gradient, and is exact for parabolas on any spacing. A hole (NaN) reaches up to two cells far.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["Smooth"]

FAR = 100  # the largest power of two for which numbers are not rescaled; float64 ends at 1024


class Smooth:
    """A smooth surface through grid values.

    Args:
        x: Coordinates [H] along the first axis, at least two different ones, in any order.
        y: Coordinates [W] along the second axis.
        z: Heights [H, W]; `z[i, j]` belongs to `x[i], y[j]`.

    Raises:
        ValueError: When an axis has fewer than two coordinates, or a coordinate occurs twice.

    Example:
        >>> import numpy as np
        >>> from fastscape.views import Smooth
        >>> x, y = np.linspace(-1, 1, 5), np.array([0.0, 1.0, 3.0])
        >>> bowl = Smooth(x, y, x[:, None] ** 2 + y**2)
        >>> [round(value, 6) for value in bowl.at(0.3, 2.0)]
        [4.09, 0.6, 4.0]
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> None:
        orders = [np.argsort(axis) for axis in (x, y)]
        self.x, self.y = (axis[order] for axis, order in zip((x, y), orders, strict=True))
        for name, axis in (("x", self.x), ("y", self.y)):
            if len(axis) < 2 or not (np.diff(axis) > 0).all():
                came = np.array2string(axis, threshold=6)
                raise ValueError(f"{name} must be at least two coordinates, all different, got {came}")
        self._powers = [_power(axis) for axis in (self.x, self.y, z)]
        self._x, self._y, z = (
            _times(values, -power) for values, power in zip((self.x, self.y, z), self._powers, strict=True)
        )
        z = z[np.ix_(*orders)]
        along_x, along_y = slopes(self._x, z), slopes(self._y, z.T).T
        twists = slopes(self._y, along_x.T).T
        self._nodes = np.stack([np.stack([z, along_y], -1), np.stack([along_x, twists], -1)], -2)

    def at(self, x: float, y: float) -> tuple[float, float, float]:
        """The height at a point, and its slopes there.

        Args:
            x: Coordinate along the first axis.
            y: Coordinate along the second axis.

        Returns:
            Height, slope along x, slope along y; NaN near a hole. Beyond the border, the values at the border. A slope
            that float64 cannot hold is infinite.
        """
        power_x, power_y, power_z = self._powers
        i, width, u = _cell(self._x, _times(x, -power_x))
        j, depth, v = _cell(self._y, _times(y, -power_y))
        # [a, b]: corners along x and y, each with value and slope
        corners = self._nodes[i : i + 2, j : j + 2].transpose(0, 2, 1, 3).reshape(4, 4)
        along_x, along_y = _hermite(u, width), _hermite(v, depth)
        height, slope_x, slope_y = (
            float(a @ corners @ b)
            for a, b in ((along_x[0], along_y[0]), (along_x[1], along_y[0]), (along_x[0], along_y[1]))
        )
        if any(self._powers):
            # Between the largest numbers the surface may rise above them; the order of arguments keeps NaN.
            height = max(min(_times(height, power_z), sys.float_info.max), -sys.float_info.max)
            slope_x, slope_y = _times(slope_x, power_z - power_x), _times(slope_y, power_z - power_y)
        return height, slope_x, slope_y


# The power of two by which numbers are divided: 0 unless products of them could leave float64.
def _power(values: np.ndarray) -> int:
    # Powers of two change no digit, so that the surface is the same with them and without.
    largest = float(np.abs(values[np.isfinite(values)]).max(initial=0.0))
    power = int(np.log2(largest)) if largest > 0 else 0
    return power if abs(power) > FAR else 0


def _times(values: Any, power: int) -> Any:
    while power:  # in steps, because float64 may not have the power itself
        step = max(min(power, 1000), -1000)
        values, power = values * 2.0**step, power - step
    return values


def slopes(t: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The slopes at the grid points of a first axis.

    Args:
        t: Increasing coordinates [n], at least two.
        z: Heights [n, ...].

    Returns:
        Slopes [n, ...].
    """
    shape = (-1, *(1,) * (z.ndim - 1))
    h = np.diff(t).reshape(shape)
    with np.errstate(over="ignore", invalid="ignore"):  # a step may be 1e-300 of its axis: there is a hole then
        d = np.diff(z, axis=0) / h
        if len(d) == 1:
            return np.concatenate([d, d])
        inner = (h[1:] * d[:-1] + h[:-1] * d[1:]) / (h[1:] + h[:-1])
        first = d[:1] + (d[:1] - d[1:2]) * h[:1] / (h[:1] + h[1:2])
        last = d[-1:] + (d[-1:] - d[-2:-1]) * h[-1:] / (h[-1:] + h[-2:-1])
    return np.concatenate([first, inner, last])


def _cell(t: np.ndarray, at: float) -> tuple[int, float, float]:
    """The index of the cell that contains a coordinate, the width of the cell, and the position in it from 0 to 1."""
    i = min(max(int(np.searchsorted(t, at, side="right")) - 1, 0), len(t) - 2)
    width = float(t[i + 1] - t[i])
    at = min(max(at, float(t[0])), float(t[-1]))
    return i, width, (at - float(t[i])) / width


def _hermite(u: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights of the value and slope at 0 and at 1 in the value and in the slope at u."""
    value = [(1 + 2 * u) * (1 - u) ** 2, u * (1 - u) ** 2 * width, u * u * (3 - 2 * u), u * u * (u - 1) * width]
    slope = [6 * u * (u - 1) / width, (3 * u - 1) * (u - 1), 6 * u * (1 - u) / width, u * (3 * u - 2)]
    return np.array(value), np.array(slope)
