"""The mean rise of the loss at a distance along random directions, filter-normalised or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from torch import Tensor

from fastscape.curvature.sharpness.measure import LAYERS, ORDER, About, Found
from fastscape.curvature.sharpness.surroundings import Losses, Surroundings
from fastscape.weights import basis_of, direction_random

__all__ = ["RANDOM", "filter_normalised", "normal", "random_directions", "relative", "rises"]

RANDOM = About(
    "random_directions",
    "loss",
    "mean over d of L(w + r d) - L(w), d Gaussian, every filter of d scaled to the norm of the filter of w",
    "How far the loss rises in the mean at the distance r along filter-normalised random directions: at r = 1 the "
    "noise in a filter is as long as the filter. Each direction is used with both signs, which does not change the "
    "mean and takes the slope out of its error.",
    "Li et al. 2018, arXiv 1712.09913, section 4, for the directions",
    (LAYERS, ORDER),
)

Writer = Callable[[int, Tensor], None]


def random_directions(around: Surroundings, *, radius: float, count: int, seed: int) -> Found:
    """The mean rise along filter-normalised random directions.

    Args:
        around: The loss.
        radius: The distance r.
        count: Directions.
        seed: Of the directions.

    Returns:
        The mean, with its standard error over directions.
    """
    with around.along(count, filter_normalised(around, seed)) as losses:
        drawn = rises(around, losses, radius)
    finite = bool(np.isfinite(drawn).all())
    said = "" if finite else f"the loss is not finite along {int((~np.isfinite(drawn)).sum())} of {count} directions"
    error = _error(drawn) if finite else None
    settings = {"radius": radius, "directions": count, "seed": seed}
    return Found(float(drawn.mean()), error, settings, said)


def rises(around: Surroundings, losses: Losses, distance: float) -> np.ndarray:
    """How far the loss rises along each of some directions, in the mean over both of its signs.

    Args:
        around: The loss at the model.
        losses: Along the directions.
        distance: Along each.

    Returns:
        The rises [directions]; infinite where a loss is not finite.
    """
    found: np.ndarray = losses.at([distance, -distance]).mean(0) - around.loss
    return np.where(np.isnan(found), np.inf, found)


def filter_normalised(around: Surroundings, seed: int) -> Writer:
    """Gaussian directions, every filter of which has the norm that it has in the model.

    Args:
        around: The model.
        seed: Of the directions.

    Returns:
        Writes direction k to a row [P].
    """
    theta = around.layout.unflatten(around.theta)

    def write(k: int, row: Tensor) -> None:
        draw = partial(direction_random, around.layout, seed, k)
        made = basis_of(theta, around.layout, [draw], "filter", around.problem.place).vectors
        assert isinstance(made, Tensor)  # only seeded directions are not in memory
        row.copy_(made[1])

    return write


def normal(around: Surroundings, seed: int) -> Writer:
    """Directions of independent standard normal numbers.

    Args:
        around: The model.
        seed: Of the directions.

    Returns:
        Writes direction k to a row [P].
    """
    return lambda k, row: _copied(direction_random(around.layout, seed, k), row)


def relative(around: Surroundings, seed: int) -> Writer:
    """The same, each number times the absolute value of its weight.

    Args:
        around: The model.
        seed: Of the directions.

    Returns:
        Writes direction k to a row [P].
    """
    size = around.theta.abs().double()
    return lambda k, row: _copied(direction_random(around.layout, seed, k).to(size.device) * size, row)


def _copied(direction: Tensor, row: Tensor) -> None:
    row.copy_(direction)


def _error(drawn: np.ndarray) -> float | None:
    """The standard error of a mean; None where one draw tells none."""
    return float(drawn.std(ddof=1)) / math.sqrt(len(drawn)) if len(drawn) > 1 else None
