"""Applies log scale and clipping, in this file only: they change what is drawn, never the landscape."""

from __future__ import annotations

import numpy as np

from fastscape.results.values import Values

__all__ = ["colour_ends", "heights", "is_loss", "logarithms", "signed"]


def heights(
    landscape: Values, metric: str = "loss", *, log: bool | None = None, clip: float | None = None
) -> tuple[np.ndarray, str]:
    """The heights that a picture draws, and their name.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: True for a loss that is nowhere negative, including a loss
            of a class or of a different data set, which is named "loss of ...".
        clip: Larger values are drawn at `clip`. For a metric of both signs, values below -clip are drawn at -clip.
            Default: no limit.

    Returns:
        Heights in the shape of the landscape, and the label of their axis. Infinite values get the highest (or lowest)
        finite value. NaN stays NaN and is drawn as a hole. On a log scale, 0 gets the smallest positive value.

    Raises:
        ValueError: When the metric is unknown, `log` is neither True nor False nor None, no value is finite, or a log
            scale is requested with negative values or a clip at or below 0.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, heights
        >>> heights(Values({"x": np.arange(3.0)}, {"loss": np.array([1.0, 10.0, np.inf])}))
        (array([0., 1., 1.]), 'log10 loss')
    """
    if metric not in landscape.measures:
        raise ValueError(f"metric={metric!r} is unknown; this landscape has {', '.join(landscape.measures)}")
    if log is not None and not isinstance(log, bool | np.bool_):
        raise ValueError(f"log must be True, False or None, got {log!r:.80}")
    z = landscape.measures[metric].copy()
    finite = z[np.isfinite(z)]
    if not finite.size:
        raise ValueError(
            f"{metric} is finite at no point, so there is nothing to draw; try a smaller range of x and y"
        )
    z[z == np.inf] = finite.max()
    z[z == -np.inf] = finite.min()
    positive = finite[finite > 0]
    if log is None:
        log = is_loss(metric) and finite.min() >= 0 and positive.size > 0
    if clip is not None and not clip > (0 if log else -np.inf):
        least = "above 0 on a log scale: choose a larger value, or log=False" if log else "a number"
        raise ValueError(f"clip must be {least}; got {clip}")
    if clip is not None:
        z = np.where(z > clip, clip, z)  # unlike np.minimum, it keeps NaN without a warning
        if clip > 0 and signed(metric, finite.min(), finite.max()):
            z = np.where(z < -clip, -clip, z)
    if not log:
        return z, metric
    if finite.min() < 0 or not positive.size:
        raise ValueError(f"{metric} has values below 0, or none above, and so no logarithm; write log=False")
    return logarithms(z, positive.min()), f"log10 {metric}"


def colour_ends(metric: str, low: float, high: float, *, log: bool = False) -> tuple[float, float]:
    """The heights at which the colours of a picture begin and end.

    Args:
        metric: "loss" or the name of a metric.
        low: The lowest height.
        high: The highest height.
        log: Whether the heights are logarithms. Default False.

    Returns:
        The same heights; for a metric of both signs, heights equally far below and above 0, so that 0 has the colour
        in the middle.

    Example:
        >>> from fastscape.results import colour_ends
        >>> colour_ends("d2L_dx2", -1.0, 3.0), colour_ends("accuracy", 0.0, 1.0)
        ((-3.0, 3.0), (0.0, 1.0))
    """
    if not signed(metric, low, high, log=log):
        return low, high
    farthest = max(-low, high)
    return -farthest, farthest


def is_loss(metric: str) -> bool:
    """Whether a measure is a loss: the loss itself, or "loss of ..." for a class or a different data set."""
    return metric == "loss" or metric.startswith("loss of ")


def signed(metric: str, low: float, high: float, *, log: bool = False) -> bool:
    """Whether a picture of a measure has 0 in the middle of its colours.

    Args:
        metric: "loss" or the name of a metric.
        low: The lowest height.
        high: The highest height.
        log: Whether the heights are logarithms, whose 0 is the value 1 and no middle. Default False.

    Returns:
        Whether 0 is between the heights of a metric. A loss of 0 has no special meaning, and a spread below 0 is a
        logarithm.
    """
    return not log and not is_loss(metric) and not metric.startswith("spread of ") and low < 0 < high


def logarithms(values: np.ndarray, smallest: float) -> np.ndarray:
    """The heights of values on a log scale.

    Args:
        values: Values, none of them below 0.
        smallest: The smallest value above 0, whose height 0 gets.

    Returns:
        log10 of the values; NaN and inf stay.
    """
    return np.log10(np.where(values == 0, smallest, values))
