"""How far around a model its scores hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from fastscape.model import Data
from fastscape.reports import BasinRadius
from fastscape.results import documented
from fastscape.runs import BasinOptions, basin_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["basin_radius"]


@documented(BasinOptions)
def basin_radius(model: nn.Module, data: Data, **given: Unpack[BasinOptions]) -> BasinRadius:
    """How far along random directions a score of a model stays within a range, with an interval.

    With theta the weights, d a random direction with every filter scaled to that of theta, and S the score, a loss or
    an accuracy or whatever is measured, the radius along d is

        r(d) = min { r > 0 : S(theta + r d) is worse than S(theta) by more than a share `drop` of it }

    A score that is not finite has left. Each of n independent directions has one radius, and the interval says what
    they tell of all directions: the l-th and the u-th smallest radius enclose the median of all, whatever its
    distribution is, with the probability `P(l <= B < u)`, B binomial. A direction along which the score has not left
    at `limit` is censored: it counts as one whose radius is larger, never as one whose radius is the limit.

    The samples are those that were given, and of these each radius is exact to `tolerance`; the interval is over
    directions alone. Other samples have another score at every point.

    A radius is found by a scan from the model on, all directions together, so that a score that leaves and comes back
    has left; then by interpolation or halving within the step. Scores are evaluated as by `surface`. Every process
    that makes the call evaluates all of it.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: As `fastscape.runs.BasinOptions` says.

    Returns:
        The radii `radii` [n] of each direction, with `median`, `quantile`, `mean`, `summary`, `plot`, `save` and
        `load`.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice, there is no such measure, the score at the model is not
            finite, is 0, or lies beyond the level, or a direction is 0.

    Example:
        >>> import torch, fastscape
        >>> model = torch.nn.Linear(4, 3)
        >>> x = torch.randn(50, 4)
        >>> data = x, model(x).argmax(1)
        >>> found = fastscape.basin_radius(
        ...     model, data, measure="accuracy", drop=0.1, metrics={"accuracy": fastscape.accuracy}, directions=8
        ... )
        >>> found.score, round(found.level, 3), found.radii.shape
        (1.0, 0.9, (8,))
        >>> bool(found.median.low <= found.median.value <= found.median.high)
        True

    Source: Chen et al. 2025, arXiv 2505.17646, and Peng et al. 2024, arXiv 2405.17374, for basins along random
    directions; David and Nagaraja 2003, Order Statistics, section 7.1, for the interval.
    """
    return BasinRadius.of(basin_of(model, data, given))
