"""The axes of a landscape and the points that they span."""

from __future__ import annotations

import numbers
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fastscape.results import REPEAT

__all__ = ["POINTS", "AlongPath", "Auto", "Axis", "AxisSpec", "Grid", "axis", "points", "wanted_axis"]

_Numbers: TypeAlias = "tuple[float, float, int] | Sequence[float] | np.ndarray | Tensor"
_Ways: TypeAlias = Literal["auto", "path"]
AxisSpec: TypeAlias = "_Numbers | _Ways | tuple[_Ways, int]"
Axis: TypeAlias = "np.ndarray | Auto | AlongPath"

POINTS = 51
"""Grid points of an axis, if the user gives no number."""


@dataclass(frozen=True)
class Auto:
    """An axis from -reach to reach, whose reach is still to be chosen.

    Args:
        count: Grid points, at least 2. Default 51.
    """

    count: int = POINTS


@dataclass(frozen=True)
class AlongPath:
    """An axis that contains the paths of the directions, with a margin.

    Args:
        count: Grid points, at least 2. Default 51.
    """

    count: int = POINTS


_CHOSEN: dict[str, type[Auto] | type[AlongPath]] = {"auto": Auto, "path": AlongPath}


def wanted_axis(name: str, spec: AxisSpec) -> Axis:
    """The coordinates of one axis, or the number of its points if the range is still to be chosen.

    Args:
        name: The name of the axis in error messages: "x" or "y".
        spec: Any argument of `axis`; or "auto", "path", `("auto", count)` or `("path", count)` to have the range
            chosen.

    Returns:
        Coordinates [count], float64, strictly increasing; or `Auto` or `AlongPath`.

    Raises:
        TypeError: When the specification is none of these.
        ValueError: When the count is below 2, or for the reasons of `axis`.

    Example:
        >>> from fastscape.weights import wanted_axis
        >>> wanted_axis("x", ("auto", 21))
        Auto(count=21)
    """
    given: Any = spec
    if isinstance(given, str):
        if given not in _CHOSEN:
            raise TypeError(
                f"{name} must be (start, stop, count), a sequence of numbers, 'auto' or 'path', got {given!r:.120}"
            )
        return _CHOSEN[given]()
    said = (
        next((part for part in given if isinstance(part, str) and part in _CHOSEN), None)
        if isinstance(given, tuple)
        else None
    )
    if said is None:
        return axis(name, given)
    count = given[1] if len(given) == 2 and given[0] == said else None
    if isinstance(count, bool) or not isinstance(count, numbers.Integral):
        raise TypeError(f"{name} must be ({said!r}, count), got {given!r:.120}; for example ({said!r}, 51)")
    if int(count) < 2:
        raise ValueError(f"{name} must have at least 2 grid points, got count {count}; for example ({said!r}, 51)")
    return _CHOSEN[said](int(count))


def axis(name: str, spec: _Numbers) -> np.ndarray:
    """The coordinates of one axis.

    A tuple is read as `(start, stop, count)`, ends included, never as coordinates. Coordinate i is
    `((n-1-i) start + i stop) / (n-1)`, computed from its index. So no error accumulates, both ends are exact, and
    the middle of a symmetric axis is exactly 0.

    Args:
        name: The name of the axis in error messages: "x" or "y".
        spec: `(start, stop, count)`, with an integer count of at least 2, or 1 if start and stop are the same; or the
            coordinates themselves as an increasing list or 1-D array.

    Returns:
        Coordinates [count], float64, strictly increasing.

    Raises:
        TypeError: When the specification is neither a tuple of three nor a sequence of numbers.
        ValueError: When the count is below 1, or is 1 between different ends, a coordinate is not finite, or the axis
            does not increase.

    Example:
        >>> from fastscape.weights import axis
        >>> axis("x", (-1.0, 1.0, 5)).tolist()
        [-1.0, -0.5, 0.0, 0.5, 1.0]
    """
    coordinates = _from_range(name, spec) if isinstance(spec, tuple) else _explicit(name, spec)
    if (np.diff(coordinates) <= 0).any():
        if isinstance(spec, tuple) and spec[0] > spec[1]:
            start, stop, count = spec
            raise ValueError(f"{name} does not increase ({spec!r:.120}); write {name}=({stop}, {start}, {count})")
        raise ValueError(f"{name} does not increase ({spec!r:.120}); sort the coordinates and write each of them once")
    return coordinates


def _from_range(name: str, spec: tuple[Any, ...]) -> np.ndarray:
    wanted = "write (start, stop, count), for example (-1.0, 1.0, 51)"
    if len(spec) != 3:
        raise TypeError(
            f"{name} must be a tuple of 3 numbers, got a tuple of {len(spec)}; {wanted}{_as_list(name, spec)}"
        )
    start, stop, count = spec
    if not (isinstance(start, numbers.Real) and isinstance(stop, numbers.Real)):
        raise TypeError(f"{name} must have two numbers as ends, got {start!r:.80} and {stop!r:.80}; {wanted}")
    try:
        points = None if isinstance(count, bool) else operator.index(count)  # also integers of numpy and torch
    except TypeError:
        points = None
    if points is None:
        raise TypeError(f"{name} must have an integer as count, got {count!r:.80}; {wanted}{_as_list(name, spec)}")
    if points < 1:
        raise ValueError(f"{name} must have at least 1 grid point, got count {points}{_as_list(name, spec)}")
    _check_finite(name, np.array([start, stop], dtype=np.float64))
    if points == 1:
        if start != stop:
            raise ValueError(
                f"{name} is ({start}, {stop}, {count}), which is one point between {start} and {stop}; for one point "
                f"write ({start}, {start}, 1){_as_list(name, spec)}"
            )
        return np.array([float(start)])
    last = points - 1
    index = np.arange(last + 1, dtype=np.float64)
    coordinates = ((last - index) * float(start) + index * float(stop)) / last
    coordinates[0], coordinates[-1] = start, stop  # last * stop / last may differ from stop by one rounding
    return coordinates


def _as_list(name: str, spec: tuple[Any, ...]) -> str:
    """Shows how to write a tuple that may have been meant as coordinates."""
    if not all(isinstance(part, numbers.Real) for part in spec) or any(a >= b for a, b in pairwise(spec)):
        return ""
    return f"; for coordinates a list, {name}=[{', '.join(map(str, spec)):.80}]"


def _explicit(name: str, spec: Any) -> np.ndarray:
    try:
        coordinates = np.array(spec.detach().cpu().numpy() if isinstance(spec, Tensor) else spec, dtype=np.float64)
    except (TypeError, ValueError):
        coordinates = np.array(np.nan)
    if coordinates.ndim == 0:
        raise TypeError(f"{name} must be (start, stop, count) or a sequence of numbers, got {spec!r:.120}")
    if coordinates.ndim != 1:
        raise ValueError(f"{name} must be a 1-D sequence of coordinates, got shape {coordinates.shape}")
    if coordinates.size < 1:
        raise ValueError(f"{name} must have at least 1 grid point, got count 0")
    _check_finite(name, coordinates)
    return coordinates


def _check_finite(name: str, coordinates: np.ndarray) -> None:
    if not np.isfinite(coordinates).all():
        raise ValueError(f"{name} must have finite coordinates, got {coordinates}")


def points(*axes: np.ndarray) -> Tensor:
    """All grid points in the order of `values.reshape(len(x), len(y))`.

    Args:
        *axes: Coordinates [H], [W] and so on.

    Returns:
        Points [H * W * ..., axes], float64, the last axis running fastest; with two axes, row i * W + j is (x[i],
        y[j]).
    """
    return torch.cartesian_prod(*map(torch.from_numpy, axes)).reshape(-1, len(axes))


@dataclass(frozen=True, eq=False)
class Grid:
    """The points of a landscape.

    Args:
        axes: Coordinates by the name of the axis.
    """

    axes: Mapping[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of points along each axis."""
        return tuple(map(len, self.axes.values()))

    @cached_property
    def points(self) -> Tensor:
        """All points [G, axes], float64, the last axis running fastest."""
        return points(*self.axes.values())

    def repeated(self, repeats: int) -> Grid:
        """The grid once per repeat, whose number is the first coordinate; the grid itself for one repeat."""
        return Grid({REPEAT: np.arange(float(repeats)), **self.axes}) if repeats > 1 else self

    def __len__(self) -> int:
        return len(self.points)
