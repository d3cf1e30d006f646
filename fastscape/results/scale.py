"""Log scale and clipping happen here and nowhere else: they change what is drawn, never the landscape."""

from __future__ import annotations

import numpy as np

from fastscape.results.values import Values

__all__ = ["heights", "logarithms"]


def heights(
    landscape: Values, metric: str = "loss", *, log: bool | None = None, clip: float | None = None
) -> tuple[np.ndarray, str]:
    """The heights that a picture draws, and their name.

    Args:
        landscape: The landscape.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for a loss that is nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.

    Returns:
        Heights in the shape of the landscape, and the label of their axis. Infinite values stand at the highest (or
        lowest) finite one, NaN stays NaN and is drawn as a hole; on a log scale 0 stands at the smallest positive
        value.

    Raises:
        ValueError: When the metric is unknown, no value is finite, or a log scale is asked for with negative values or
            a clip at or below 0.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, heights
        >>> heights(Values({"x": np.arange(3.0)}, {"loss": np.array([1.0, 10.0, np.inf])}))
        (array([0., 1., 1.]), 'log10 loss')
    """
    if metric not in landscape.measures:
        raise ValueError(f"metric={metric!r} is unknown; this landscape has {', '.join(landscape.measures)}")
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
        log = metric == "loss" and finite.min() >= 0 and positive.size > 0
    if clip is not None and not clip > (0 if log else -np.inf):
        raise ValueError(f"clip={clip} came; on a log scale it must be above 0: choose a larger one, or log=False")
    if clip is not None:
        z = np.where(z > clip, clip, z)  # unlike np.minimum, it leaves NaN as it is without a warning
    if not log:
        return z, metric
    if finite.min() < 0 or not positive.size:
        raise ValueError(f"{metric} has values below 0, or none above, and so no logarithm; write log=False")
    return logarithms(z, positive.min()), f"log10 {metric}"


def logarithms(values: np.ndarray, smallest: float) -> np.ndarray:
    """The heights of values on a log scale.

    Args:
        values: Values, none of them below 0.
        smallest: The smallest one above 0, at which 0 stands.

    Returns:
        log10 of the values; NaN and inf stay.
    """
    return np.log10(np.where(values == 0, smallest, values))
