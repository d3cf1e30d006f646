"""The public call `basin_radius`: how far around a model its score holds."""

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
    """The distance along random directions within which a score of a model stays in a range, with an interval.

    With theta the weights, d a random direction with every filter scaled to the norm of the filter of theta, and S
    the score (a loss, an accuracy or any other measure), the radius along d is

        r(d) = min { r > 0 : S(theta + r d) is worse than S(theta) by more than a share `drop` of it }

    A score that is not finite is outside the range. Each of n independent directions has one radius. The interval is
    an interval for the median over all directions: the l-th and the u-th smallest radius enclose it with the
    probability `P(l <= B < u)`, B binomial, for any distribution of the radius. A direction along which the score
    stays in the range up to `limit` is censored: its radius counts as larger than the limit, never as equal to it.

    Each radius is exact to `tolerance` for the samples that were given; the interval covers directions alone. With
    other samples the score differs at every point.

    A radius is found by a scan outwards from the model, all directions together, so a score that leaves the range and
    returns counts as having left; then by interpolation or bisection within the step. Scores are evaluated as by
    `surface`. Every process that makes the call evaluates everything.

    Args:
        model: Any trained module. It is not changed.
        data: As for `surface`.
        **given: The options of `fastscape.runs.BasinOptions`.

    Returns:
        The radii `radii` [n] of each direction, with `median`, `quantile`, `mean`, `summary`, `plot`, `save` and
        `load`.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value, there is no such measure, the score at the model is not
            finite, is 0, or is beyond the level, or a direction is 0.

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
