"""Several landscapes side by side, on one common scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastscape import figures
from fastscape.heights import heights

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastscape.result import Landscape

__all__ = ["Kind", "common_scale", "compare", "drawn_by"]

Kind = Literal["contour", "surface3d"]


def compare(
    landscapes: Sequence[Landscape],
    *,
    names: Sequence[str] | None = None,
    kind: Kind = "contour",
    metric: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    cmap: str = "viridis",
    **options: Any,
) -> list[Axes]:
    """Draws landscapes side by side, with the same colours and heights for the same values.

    Args:
        landscapes: The landscapes, each at least 2 x 2 points.
        names: A title for each. Default: the class of its model, as the report says it.
        kind: "contour" or "surface3d". Default "contour".
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether to draw log10 of the values. Default: for losses that are nowhere negative, yes.
        clip: Values above it are drawn at it. Default: none are.
        cmap: Name of a matplotlib colour map. Default "viridis".
        **options: Further options of `figures.contour` or `figures.surface3d`.

    Returns:
        The axes, in the order of the landscapes.

    Raises:
        ValueError: When there is no landscape, the names are not as many, the kind is unknown, or a landscape cannot
            be drawn.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> from fastscape.comparison import compare
        >>> axis = np.linspace(-1, 1, 5)
        >>> bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
        >>> steep = Landscape(axis, axis, 1 + 9 * axis[:, None] ** 2 + axis**2)
        >>> [ax.get_title() for ax in compare([bowl, steep], names=["bowl", "steep"])]
        ['bowl', 'steep']
    """
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    draw = drawn_by(kind)
    if names is None:
        names = [str(landscape.report.get("model", "")) for landscape in landscapes]
    if len(names) != len(landscapes):
        raise ValueError(f"{len(names)} names came for {len(landscapes)} landscapes; wanted one for each")
    log, scale, label = common_scale(landscapes, metric, log=log, clip=clip)
    figure = plt.figure(figsize=(5.2 * len(landscapes) + 1, 5.0), layout="constrained")
    projection = "3d" if kind == "surface3d" else None
    options |= {"metric": metric, "log": log, "clip": clip, "cmap": cmap, "scale": scale, "colorbar": False}
    axes = []
    for k, (landscape, name) in enumerate(zip(landscapes, names, strict=True), start=1):
        ax = draw(landscape, ax=figure.add_subplot(1, len(landscapes), k, projection=projection), **options)
        if kind == "surface3d":
            ax.set_box_aspect(None, zoom=0.85)  # the layout knows nothing of labels in three dimensions
        ax.xaxis.set_major_locator(MaxNLocator(5))  # more of their labels touch each other at this width
        ax.set_title(name)
        axes.append(ax)
    figure.colorbar(ScalarMappable(Normalize(*scale), cmap), ax=axes, label=label, shrink=0.8)
    return axes


def common_scale(
    landscapes: Sequence[Landscape], metric: str = "loss", *, log: bool | None = None, clip: float | None = None
) -> tuple[bool, tuple[float, float], str]:
    """One scale for several landscapes.

    Args:
        landscapes: The landscapes.
        metric: "loss" or the name of a metric. Default "loss".
        log: Whether heights are log10 of the values. Default: when that is the default of all of them.
        clip: Values above it stand at it. Default: none do.

    Returns:
        Whether heights are logarithms, the lowest and the highest of all, and their label.

    Raises:
        ValueError: When there is no landscape, or `heights` refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> several = [Landscape(np.arange(2.0), None, loss) for loss in np.array([[1.0, 10.0], [100.0, 10.0]])]
        >>> common_scale(several)
        (True, (0.0, 2.0), 'log10 loss')
    """
    if not landscapes:
        raise ValueError("no landscape came; wanted at least one to draw")
    if log is None:
        log = all(heights(one, metric)[1].startswith("log10") for one in landscapes)
    drawn = [heights(one, metric, log=log, clip=clip) for one in landscapes]
    low = min(float(np.nanmin(z)) for z, _ in drawn)
    high = max(float(np.nanmax(z)) for z, _ in drawn)
    return log, (low, high), drawn[0][1]


def drawn_by(kind: str) -> Callable[..., Any]:
    """The function of `figures` that draws a kind of picture.

    Args:
        kind: "contour" or "surface3d".

    Returns:
        The function.

    Raises:
        ValueError: When there is no such kind.
    """
    kinds: dict[str, Callable[..., Any]] = {"contour": figures.contour, "surface3d": figures.surface3d}
    if kind not in kinds:
        raise ValueError(f"kind={kind!r} is unknown; wanted one of {', '.join(map(repr, kinds))}")
    return kinds[kind]
