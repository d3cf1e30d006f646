"""Optimizers that walk on a landscape.

    p_0 = start,   p_t+1 = step(p_t, gradient of f at p_t),   f a smooth surface through the (log) values

Differences to the notebook of Luciani, Huang and Danisch, from which this is made: the gradient is the gradient of a
smooth surface, in units of the coordinates, instead of the difference to the next grid point. A walk stops at the
border.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fastscape.results import Values, heights
from fastscape.views.plane import plane_of
from fastscape.views.smooth import Smooth

__all__ = ["OPTIMIZERS", "Walk", "descend"]

Ended = Literal["steps", "border", "hole", "not finite"]

# As in the notebook: NADAM(0.1, (0.99, 0.999)).
BETAS = (0.99, 0.999)
MOMENTUM = 0.9

# Optimizers that need matrices or sparse gradients.
_UNFIT = {"Optimizer", "SparseAdam", "Muon"}

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name.lower(): kind
    for name, kind in vars(torch.optim).items()
    if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and name not in _UNFIT
} | {"momentum": torch.optim.SGD}
"""The optimizers that `descend` knows by name: the optimizers of torch, and SGD with momentum."""


@dataclass(frozen=True, eq=False, repr=False)
class Walk:
    """A walk on a landscape.

    Args:
        x: Coordinates [n] along the first direction, the start first.
        y: Coordinates [n] along the second direction.
        height: Heights [n] of the smooth surface.
        ended: "steps" if all steps were walked. "border" if the last step crossed the border; the path ends on the
            border. "hole" if the next point had no value. "not finite" if the next point was not finite.
        optimizer: The name of the optimizer.
        label: The label of the heights, for example "log10 loss".

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> x = np.linspace(-1, 1, 9)
        >>> walk = Landscape(x, x, x[:, None] ** 2 + x**2 + 1).descend((0.5, 0.5), "sgd", 3)
        >>> len(walk), walk.ended, walk.label
        (4, 'steps', 'log10 loss')
    """

    x: np.ndarray
    y: np.ndarray
    height: np.ndarray
    ended: Ended
    optimizer: str
    label: str

    def __len__(self) -> int:
        return len(self.x)

    @property
    def name(self) -> str:
        """The name of the walk in a picture: its optimizer."""
        return self.optimizer

    @property
    def points(self) -> np.ndarray:
        """Coordinates [n, 2], the start first."""
        return np.stack([self.x, self.y], axis=1)

    def __repr__(self) -> str:
        at = ", ".join(f"({self.x[k]:.4g}, {self.y[k]:.4g})" for k in (0, -1))
        return (
            f"Walk({self.optimizer}, {len(self) - 1} steps from and to {at}, {self.label} {self.height[0]:.4g} to "
            f"{self.height[-1]:.4g}, ended: {self.ended})"
        )


def descend(
    landscape: Values,
    start: Sequence[float],
    optimizer: str | type[torch.optim.Optimizer] = "nadam",
    steps: int = 30,
    lr: float = 0.1,
    *,
    metric: str = "loss",
    log: bool | None = None,
    **options: Any,
) -> Walk:
    """Walks an optimizer down a landscape.

    Args:
        landscape: The landscape, at least 2 x 2 points.
        start: Coordinates (x, y) of the start, within the grid.
        optimizer: The name of an optimizer of `torch.optim` in any case, or "momentum" for SGD with a momentum of
            0.9; or a class. Default "nadam".
        steps: Number of steps, at least 0. Default 30.
        lr: The learning rate, in coordinates for a gradient of 1. Default 0.1.
        metric: As for a picture. Default "loss".
        log: As for a picture: whether to walk on log10 of the values.
        **options: Further arguments of the optimizer. Optimizers with betas get (0.99, 0.999) by default, also if
            betas are None.

    Returns:
        The walk, and why it ended.

    Raises:
        TypeError: When the optimizer is not an optimizer, or does not take an option.
        ValueError: When there is no optimizer of this name, the start is outside the grid or in a hole, `steps` is
            negative, or the landscape is not a plane of at least 2 x 2 points.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> axis = np.linspace(-1, 1, 21)
        >>> bowl = Landscape(axis, axis, axis[:, None] ** 2 + axis**2 + 1)
        >>> walk = bowl.descend(start=(0.9, -0.7), optimizer="adam", steps=60)
        >>> walk.ended, len(walk), bool(walk.height[-1] < walk.height[0])
        ('steps', 61, True)

    Source: Luciani, Huang and Danisch, "Efficient Neural Network Loss Landscape Generation".
    """
    axes = plane_of(landscape, "walk on")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise ValueError(f"steps must be an integer of at least 0, got {steps!r}; for example 30")
    z, label = heights(landscape, metric, log=log)
    surface = Smooth(*axes, z)
    place = _start(start, surface)
    name, make = _optimizer(optimizer, lr, options)
    point = torch.tensor(place, dtype=torch.float64, device="cpu")
    path, ended = _walk(surface, point, make(point), steps)
    x, y, height = np.array(path).T
    return Walk(x, y, height, ended, name, label)


def _walk(
    surface: Smooth, point: Tensor, optimizer: torch.optim.Optimizer, steps: int
) -> tuple[list[tuple[float, float, float]], Ended]:
    """The points of a walk with their heights, and the reason for its end."""

    def closure() -> float:
        height, *slopes = surface.at(*point.tolist())
        point.grad = torch.tensor(slopes, dtype=torch.float64, device="cpu")
        return height

    before = point.tolist()
    path = [(*before, surface.at(*before)[0])]
    for _ in range(steps):
        optimizer.step(closure)
        after = point.tolist()
        if not np.isfinite(after).all():
            return path, "not finite"
        shown = _cut(surface, before, after)
        height = surface.at(*shown)[0]
        if not np.isfinite(height):
            return path, "hole"
        path.append((*shown, height))
        if shown != after:
            return path, "border"
        before = after
    return path, "steps"


def _cut(surface: Smooth, before: list[float], after: list[float]) -> list[float]:
    """The end of a step: `after`, or the point where the step leaves the grid."""
    fraction = 1.0
    bounds = [(float(axis[0]), float(axis[-1])) for axis in (surface.x, surface.y)]
    for (low, high), a, b in zip(bounds, before, after, strict=True):
        if not low <= b <= high:
            fraction = min(fraction, ((low if b < low else high) - a) / (b - a))
    if fraction == 1.0:
        return after
    within = zip(bounds, before, after, strict=True)
    return [min(max(a + fraction * (b - a), low), high) for (low, high), a, b in within]


def _start(start: Sequence[float], surface: Smooth) -> tuple[float, float]:
    try:
        x, y = (float(coordinate) for coordinate in start)
    except (TypeError, ValueError) as error:
        raise ValueError(f"start must be two coordinates, got {start!r}; for example (0.5, -0.5)") from error
    spans = [(float(axis[0]), float(axis[-1])) for axis in (surface.x, surface.y)]
    if not all(low <= at <= high for (low, high), at in zip(spans, (x, y), strict=True)):
        raise ValueError(
            f"start must be on the landscape, x from {spans[0][0]:g} to {spans[0][1]:g} and y from {spans[1][0]:g} to "
            f"{spans[1][1]:g}, got ({x:g}, {y:g})"
        )
    if not np.isfinite(surface.at(x, y)[0]):
        raise ValueError(
            f"start must not be in or beside a hole of the landscape, got ({x:g}, {y:g}); begin elsewhere"
        )
    return x, y


def _optimizer(
    optimizer: Any, lr: float, options: dict[str, Any]
) -> tuple[str, Callable[[Tensor], torch.optim.Optimizer]]:
    """The name of an optimizer, and the function that makes the optimizer for a point."""
    if isinstance(optimizer, str):
        if optimizer.lower() not in OPTIMIZERS:
            raise ValueError(f"optimizer must be one of {', '.join(sorted(OPTIMIZERS))}, got {optimizer!r}")
        name, kind = optimizer.lower(), OPTIMIZERS[optimizer.lower()]
        if name == "momentum":
            options = {"momentum": MOMENTUM, **options}
    elif inspect.isclass(optimizer) and issubclass(optimizer, torch.optim.Optimizer):
        name, kind = optimizer.__name__.lower(), optimizer
    else:
        raise TypeError(f"optimizer must be a name such as 'nadam', or a class of torch.optim, got {optimizer!r}")
    usual = {"betas": BETAS} if "betas" in inspect.signature(kind).parameters else {}
    given = {option: value for option, value in options.items() if (option, value) != ("betas", None)}
    options = {"lr": lr, **usual, **given}
    return name, lambda point: kind([point], **options)
