"""How much noise the weights bear: the standard deviation at which the mean loss has risen by so much."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor

from fastscape.curvature.sharpness.crossings import crossing
from fastscape.curvature.sharpness.measure import LAYERS, NEURONS, ORDER, About, Found
from fastscape.curvature.sharpness.random_directions import normal, relative, rises
from fastscape.curvature.sharpness.surroundings import Surroundings

__all__ = ["RELATIVE", "SIGMA", "pac_bayes_sigma", "pac_bayes_sigma_relative"]

SIGMA = About(
    "pac_bayes_sigma",
    "weights",
    "sigma at which mean over eps ~ N(0, 1) of L(w + sigma eps) - L(w) = increase",
    "How much normal noise on every weight raises the loss in the mean by `increase`. The larger, the flatter: the "
    "measure of the source is 1 / sigma^2. The same directions serve every sigma, each with both signs.",
    "Jiang et al. 2020, arXiv 1912.02178, flatness-based measures",
    (ORDER,),
)
RELATIVE = About(
    "pac_bayes_sigma_relative",
    "1",
    "sigma at which mean over eps ~ N(0, 1) of L(w + sigma |w| eps) - L(w) = increase",
    "The same with noise in proportion to every weight; one that is 0 does not move. The larger, the flatter.",
    "Jiang et al. 2020, arXiv 1912.02178, magnitude-aware perturbations",
    (LAYERS, NEURONS, ORDER),
)

_BEGUN = 0.05  # of the size of the weights


def pac_bayes_sigma(around: Surroundings, *, increase: float, count: int, seed: int) -> Found:
    """The noise on every weight that the loss bears.

    Args:
        around: The loss.
        increase: Of the mean loss.
        count: Directions of noise.
        seed: Of the directions.

    Returns:
        Sigma, with its standard error over directions by the delta method.
    """
    size = float(around.weights.square().mean().sqrt())
    return _sigma(around, normal(around, seed), _BEGUN * (size or 1.0), increase=increase, count=count, seed=seed)


def pac_bayes_sigma_relative(around: Surroundings, *, increase: float, count: int, seed: int) -> Found:
    """The noise in proportion to every weight that the loss bears.

    Args:
        around: The loss.
        increase: Of the mean loss.
        count: Directions of noise.
        seed: Of the directions.

    Returns:
        Sigma, with its standard error over directions by the delta method.
    """
    return _sigma(around, relative(around, seed), _BEGUN, increase=increase, count=count, seed=seed)


def _sigma(
    around: Surroundings,
    write: Callable[[int, Tensor], None],
    start: float,
    *,
    increase: float,
    count: int,
    seed: int,
) -> Found:
    drawn: dict[float, np.ndarray] = {}
    with around.along(count, write) as losses:

        def mean(sigma: float) -> float:
            drawn[sigma] = rises(around, losses, sigma)
            return float(drawn[sigma].mean())

        found = crossing(mean, increase, start, power=2.0, longest=8.0)
    settings = {"increase": increase, "directions": count, "seed": seed}
    said = f"the loss rises by {increase:g}"
    if not math.isfinite(found.at) or not found.at:
        said = f"the loss never rises by {increase:g}" if found.at else f"any noise raises the loss by {increase:g}"
        return Found(found.at, None, settings, said)
    if not math.isfinite(found.slope):  # it jumps there
        return Found(found.at, None, settings, "the loss is not finite, or jumps, just above")
    at = drawn[found.at]
    error = float(at.std(ddof=1)) / math.sqrt(count) / found.slope if count > 1 else None
    return Found(found.at, error, settings, said, {"flatness": found.at**-2})
