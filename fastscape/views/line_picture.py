"""The picture of a line, by matplotlib: a curve, with the models and the paths on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import Trajectory, Values, heights
from fastscape.views.carried import LeftOut
from fastscape.views.direction_bands import direction_band, mean_label
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.figure_parts import new_axes, note, outlined
from fastscape.views.path_pictures import DrawnPath, Placed, add_stems, draw_along, step_key
from fastscape.views.sample_band import sample_band
from fastscape.views.sizes import Size, at_size, letters, settled
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import FAR, Unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot"]

WIDTH = 44  # letters of the axis label
MOST = 8  # paths that the legend names


@at_size
def plot(
    landscape: Values,
    *,
    ax: Axes | None = None,
    metric: str | Sequence[str] = "loss",
    log: bool = False,
    clip: float | None = None,
    size: Size | None = None,
    **style: Any,
) -> Axes:
    """Draws the values along a line, with a dotted vertical line at every model on it.

    If random directions were drawn several times, the curve is the mean over the directions, and a band reaches from
    the 10 % to the 90 % quantile. Up to eight directions are also drawn one by one.

    If the standard error of the loss over samples is known, a band around it shows two standard errors.

    Paths are dots on the curve, in the colours of their steps. The own losses of their checkpoints are drawn on stems
    above or below the curve.

    Args:
        landscape: A landscape of one axis, at least 2 points.
        ax: Where to draw. Default: a new figure.
        metric: "loss" or the name of a metric. Of several names, the first belongs to the left axis; further measures
            are dashed, on an axis on the right. Default "loss".
        log: Whether to draw log10 of the first measure. Default False.
        clip: Values of the first measure above `clip` are drawn at `clip`. Default: no limit.
        size: Size of the new figure: "column" of a paper (3.4 inches wide, letters of 8 points), "slide" (10 x 5.6
            inches, letters of 18 points), or (width, height) in inches. Default: 7 x 5.5 inches.
        **style: Options of matplotlib's `Axes.plot`, for the first measure.

    Returns:
        The left axes.

    Raises:
        ValueError: When the landscape is not a line of at least 2 points, a coordinate is not finite or occurs twice,
            no metric is named or one is named twice, or `heights` refuses its arguments.

    Example:
        >>> import numpy as np
        >>> from fastscape import Landscape
        >>> plot(Landscape(np.arange(3.0), None, np.array([2.0, 1.0, 3.0])), log=True).get_ylabel()
        'log10 loss'
    """
    if len(landscape.axes) != 1 or len(landscape.loss) < 2:
        raise ValueError(
            f"a line must have one axis of at least 2 points, got a landscape of {landscape.shape_text} points"
        )
    first, *others = [metric] if isinstance(metric, str) else metric or [""]
    if not first or len({first, *others}) <= len(others):
        raise ValueError(f"metric must be different names, got {metric!r}; for example ['loss', 'accuracy']")
    shown = drawable(landscape, {"metric": first, "log": log, "clip": clip}, others)
    (x,), z = shown.axes, shown.heights
    right = {name: heights(landscape, name, log=False)[0] for name in others}
    own = ax is None
    ax = new_axes("constrained", size=size)[0] if ax is None else ax
    lines = ax.plot(x, z, **{"label": mean_label(landscape, shown), **style})
    lines += direction_band(ax, landscape, shown, clip, lines[0].get_color())
    several = len(lines) > 1
    said = sample_band(ax, landscape, shown, clip, lines[0].get_color())
    if right:
        lines += _beside(ax, shown, right)
    drawn, unknown = _paths(ax, shown)
    dots = [line for one in drawn for line, _ in one.wholes]
    if right or dots or several:
        handles = [*lines, *dots[:MOST]]
        # matplotlib leaves labels that begin with _ out of the legend.
        ax.legend(handles, [re.sub("^_", " _", line.get_label()) for line in handles])
    for mark in shown.carried.marks:
        (at,) = mark.at
        ax.axvline(at, color="grey", linestyle=":", label=mark.name)
        transform = ax.get_xaxis_transform()  # x in data, y as a fraction of the axes
        side = "right" if at > x[0] + 0.8 * np.ptp(x) else "left"  # near the right end, a name would leave the picture
        style = {"color": "0.35", "fontsize": letters(0.9), "va": "top", "ha": side}
        text = ax.text(at, 0.98, f" {mark.name} ", transform=transform, **style)
        text.set_path_effects(outlined(2, "white"))
    ax.set(xlabel=fill(shown.carried.labels[0], WIDTH), ylabel=shown.label)
    note([*shown.said(*unknown), *said], ax, own=own)
    if own:
        step_key(ax, drawn)
    return ax


def _paths(ax: Any, shown: Drawable) -> tuple[list[DrawnPath], list[LeftOut]]:
    """Draws paths on the curve and the own losses of their checkpoints; returns the losses that are too large."""
    (x,), z = shown.axes, shown.heights
    places: list[Placed] = []
    for path, points in shown.paths:
        along = points[:, 0]
        places.append((path, (along, np.interp(along, x, z, left=np.nan, right=np.nan))))
    drawn, unknown = draw_along(ax, places), []
    for one in drawn:
        if isinstance(one.path, Trajectory) and one.path.loss is not None and shown.vertical.metric == "loss":
            own = shown.vertical.of(one.path.loss)
            beyond = np.abs(own) > 10.0**FAR
            add_stems(one, ax, one.coordinates[-1], np.where(beyond, np.nan, own))
            if beyond.any():
                said = f'{beyond.sum()} of {np.isfinite(own).sum()} losses of the path "{one.path.name}"'
                unknown.append(LeftOut(said, "too large for this picture"))
    return drawn, unknown


def _beside(ax: Any, shown: Drawable, measures: dict[str, np.ndarray]) -> list[Any]:
    """Draws further measures of a line, dashed, on an axis on the right."""
    beside = settled(ax.twinx())
    unit = Unit.of(*measures.values())
    lines = []
    for k, (name, values) in enumerate(measures.items(), start=1):
        label = literal(cleaned(name, LABEL))
        lines += beside.plot(shown.axes[0], unit.scaled(values)[shown.order], "--", color=f"C{k}", label=label)
    beside.set_ylabel(unit.labelled(", ".join(line.get_label() for line in lines)))
    return lines
