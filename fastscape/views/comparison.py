"""Several landscapes side by side, on one common scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastscape.results import Values, chosen, colour_ends, documented, heights, is_loss, with_defaults
from fastscape.views.captions import model_said
from fastscape.views.levels import colours_of
from fastscape.views.map_picture import contour, map_of
from fastscape.views.options import SeveralOptions
from fastscape.views.surface_picture import box_of, surface3d, surface_of
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from typing_extensions import Unpack

__all__ = ["common_scale", "compare", "drawn_by", "paths_drawn_by"]


@documented(SeveralOptions)
def compare(landscapes: Sequence[Values] | Values, **given: Unpack[SeveralOptions]) -> list[Axes]:
    """Draws landscapes side by side, with the same colours and heights for the same values.

    Args:
        landscapes: The landscapes, each at least 2 x 2 points; or one landscape, to draw several of its measures.
        **given: As `SeveralOptions` says; all pictures share one scale.

    Returns:
        The axes, in the order of the landscapes.

    Raises:
        TypeError: When there is no such option, or the kind of picture has none.
        ValueError: When there is no landscape, when there is not one name and one measure per landscape, when the kind
            is unknown, or a landscape cannot be drawn.

    Example:
        >>> import numpy as np, fastscape
        >>> from fastscape import Landscape
        >>> axis = np.linspace(-1, 1, 5)
        >>> bowl = Landscape(axis, axis, 1 + axis[:, None] ** 2 + axis**2)
        >>> steep = Landscape(axis, axis, 1 + 9 * axis[:, None] ** 2 + axis**2)
        >>> [ax.get_title() for ax in fastscape.compare([bowl, steep], names=["bowl", "steep"])]
        ['bowl', 'steep']
    """
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    options = with_defaults(SeveralOptions, given, "compare")
    kind, names, metric, clip = options["kind"], options["names"], options["metric"], options["clip"]
    draw = drawn_by(kind)
    landscapes, metrics = _paired(landscapes, metric)
    if names is None:
        same = len(set(metrics)) < 2
        names = [model_said(one) if same else of for one, of in zip(landscapes, metrics, strict=True)]
    if len(names) != len(landscapes):
        raise ValueError(f"names must be one per landscape, got {len(names)} for {len(landscapes)} landscapes")
    log, scale, label = common_scale(landscapes, metrics, log=options["log"], clip=clip)
    colours = colours_of(metrics[0], scale, options["cmap"], log=bool(log))
    cmap = colours["cmap"]
    figure = plt.figure(figsize=(5.2 * len(landscapes) + 1, 5.0), layout="constrained")
    projection = "3d" if kind == "surface3d" else None
    own = {"log": log, "clip": clip, "cmap": cmap, "scale": scale, "colorbar": False}
    drawn = {**of_one(given), **own}
    axes = []
    for k, (landscape, name, of) in enumerate(zip(landscapes, names, metrics, strict=True), start=1):
        drawn["metric"] = of
        drawn["ax"] = figure.add_subplot(1, len(landscapes), k, projection=projection)
        ax = draw(landscape, **drawn)
        if kind == "surface3d":
            box = box_of(landscape)  # the layout does not reserve room for the labels beside the box
            ax.set_box_aspect(box, zoom=0.85 if box is None else 0.75)
        ax.xaxis.set_major_locator(MaxNLocator(5))  # more tick labels would touch each other at this width
        ax.set_title(fill(literal(cleaned(str(name), LABEL)), 32) if name else "")
        axes.append(ax)
    unit = Unit.of(np.array(scale))
    shades = ScalarMappable(Normalize(*unit.scaled(np.array(colour_ends(metrics[0], *scale, log=bool(log))))), cmap)
    figure.colorbar(shades, ax=axes, label=literal(unit.labelled(cleaned(label, 2 * LABEL))), shrink=0.8)
    return axes


def _paired(
    landscapes: Sequence[Values] | Values, metric: str | Sequence[str]
) -> tuple[Sequence[Values], Sequence[str]]:
    """The landscapes, and the measure to draw for each."""
    metrics = [metric] if isinstance(metric, str) else list(metric)
    if isinstance(landscapes, Values):
        return [landscapes] * len(metrics), metrics
    if isinstance(metric, str):
        return landscapes, [metric] * len(landscapes)
    if len(metrics) != len(landscapes):
        raise ValueError(f"metrics must be one per landscape, got {len(metrics)} for {len(landscapes)} landscapes")
    return landscapes, metrics


def of_one(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of several pictures that each single picture takes."""
    return {name: value for name, value in given.items() if name not in ("kind", "names")}


def common_scale(
    landscapes: Sequence[Values],
    metric: str | Sequence[str] = "loss",
    *,
    log: bool | None = None,
    clip: float | None = None,
) -> tuple[bool, tuple[float, float], str]:
    """One scale for several landscapes.

    Args:
        landscapes: The landscapes.
        metric: As for a picture, or one metric per landscape.
        log: As for a picture. By default logarithms are drawn if this is the default of every landscape.
        clip: As for a picture.

    Returns:
        Whether heights are logarithms, the lowest and the highest height of all landscapes, and the label of heights.

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
        raise ValueError("at least one landscape is needed, got none")
    landscapes, metrics = _paired(landscapes, metric)
    pairs = list(zip(landscapes, metrics, strict=True))
    if log is None:
        log = all(heights(one, of)[1] == f"log10 {of}" for one, of in pairs)
    drawn = [heights(one, of, log=log, clip=clip) for one, of in pairs]
    low = min(float(np.nanmin(z)) for z, _ in drawn)
    high = max(float(np.nanmax(z)) for z, _ in drawn)
    different = list(dict.fromkeys(metrics))
    label = "loss" if len(different) > 1 and all(map(is_loss, different)) else " | ".join(different)
    return log, (low, high), f"log10 {label}" if log else label


def drawn_by(kind: str) -> Callable[..., Any]:
    """The function that draws a kind of picture.

    Args:
        kind: "contour" or "surface3d".

    Returns:
        The function.

    Raises:
        ValueError: When there is no such kind.
    """
    kinds: dict[str, Callable[..., Any]] = {"contour": contour, "surface3d": surface3d}
    return cast(Callable[..., Any], chosen("kind", kind, kinds))


def paths_drawn_by(kind: str) -> Callable[..., Any]:
    """The function that draws a kind of picture and returns the drawn paths.

    Args:
        kind: "contour" or "surface3d".

    Returns:
        A function that returns the axes and the paths.

    Raises:
        ValueError: When there is no such kind.
    """
    kinds: dict[str, Callable[..., Any]] = {"contour": map_of, "surface3d": surface_of}
    return cast(Callable[..., Any], chosen("kind", kind, kinds))
