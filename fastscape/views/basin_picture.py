"""The picture of basin radii, by matplotlib: the share of directions along which a score is still within its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastscape.results import BasinValues
from fastscape.views.basin_table import basin_range
from fastscape.views.figure_parts import new_axes, note
from fastscape.views.texts import LABEL, cleaned, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["basin"]

_BEYOND = 1.08  # the picture ends at this multiple of the largest radius
_ROW = 0.05  # distance between the median bars of two models, as a fraction of the height of the curves
_GREY = "0.4"  # colour of legend entries that apply to all models


def basin(reports: BasinValues | Mapping[str, BasinValues], *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draws the share of directions that are still within the range at each radius, with the median radius.

    The curve falls by 1/n at the radius of each of n directions. It ends where the search along some direction ended.
    The band is the confidence interval of the share over all directions, at each radius by itself (Clopper and
    Pearson). The bar is the confidence interval of the median radius. For one model the bar is at one half; for
    several models the bars are above the curves, stacked in the order of the models.

    Args:
        reports: Radii of one model, or of several models by name.
        ax: Where to draw. Default: a new figure.
        **style: Options of matplotlib's `Axes.plot`, for the curves.

    Returns:
        The axes that were drawn on.

    Raises:
        ValueError: When there are no reports.

    Example:
        >>> import torch, fastscape
        >>> model, data = torch.nn.Linear(4, 3), (torch.randn(50, 4), torch.randint(3, (50,)))
        >>> found = fastscape.basin_radius(model, data, directions=8)
        >>> found.plot().get_ylabel()
        'share of directions still within the range'
    """
    shown = {"": reports} if isinstance(reports, BasinValues) else dict(reports)
    if not shown:
        raise ValueError(
            "at least one report is needed, got none; give one report, or several by the names of their models"
        )
    own = ax is None
    ax = new_axes("constrained")[0] if ax is None else ax
    colours = [style.get("color", f"C{k}") for k in range(len(shown))]
    ends = [
        _curve(ax, found, literal(cleaned(name, LABEL)) if name else None, {**style, "color": colour})
        for (name, found), colour in zip(shown.items(), colours, strict=True)
    ]
    ax.axhline(0.5, color="0.7", linewidth=0.8, zorder=0)
    rows = [0.5] if "" in shown else [1.0 + _ROW * (len(shown) - k) for k in range(len(shown))]
    for found, row, colour in zip(shown.values(), rows, colours, strict=True):
        _bar(ax, found, max(ends), row, colour)
    ax.set(xlim=(0, max(ends)), ylim=(-0.02, max(1.02, max(rows) + _ROW)), yticks=np.linspace(0, 1, 6))
    _name_band_and_bar(ax, shown, _GREY if len(shown) > 1 else colours[0])
    norms = sorted({str(found.settings.get("normalize", "none")) for found in shown.values()})
    unit = f"{', '.join(norms)}-normalised" if norms != ["none"] else "not normalised"
    ax.set(xlabel=f"radius, in units of the direction ({unit})", ylabel="share of directions still within the range")
    # A single curve leaves the lower left free. Several curves may pass anywhere, and the medians are above them.
    place: dict[str, Any] = {"bbox_to_anchor": (0.0, 1.0), "ncols": 2} if len(shown) > 1 else {}
    ax.legend(fontsize=8, loc="lower left", **place)
    note(_below(shown), ax, own=own)
    return ax


def _curve(ax: Any, found: BasinValues, name: str | None, style: Mapping[str, Any]) -> float:
    """Draws one curve, its band and its median; returns the radius up to which the picture must reach."""
    left = np.sort(found.radii[~found.censored])
    known = float(found.inside[found.censored].min()) if found.censored.any() else np.inf
    left = left[left <= known]
    largest = known if np.isfinite(known) else float(left[-1])
    at = np.concatenate([[0.0], left, [largest if np.isfinite(known) else largest * _BEYOND]])
    shares = [found.share_inside(radius) for radius in at]
    median = found.median
    label = f"median radius {median.value:.3g}" if np.isfinite(median.value) else f"median radius above {known:.3g}"
    label = f"{name}: {label}" if name else label
    ax.plot(at, [share.value for share in shares], drawstyle="steps-post", **{"label": label, **style})
    ax.fill_between(
        at, [share.low for share in shares], [share.high for share in shares], step="post", alpha=0.2,
        color=style["color"], linewidth=0,
    )  # fmt: skip
    if np.isfinite(median.value):
        ax.plot([median.value], [0.5], "o", color=style["color"], markersize=6, zorder=4)
    if np.isfinite(known):
        ax.plot(known, shares[-1].value, ">", color=style["color"], clip_on=False, zorder=4)
    return max(float(at[-1]), largest * _BEYOND)


def _bar(ax: Any, found: BasinValues, end: float, row: float, colour: Any) -> None:
    """Draws the interval of the median at a height; without an upper bound, up to the end of the picture."""
    median = found.median
    ax.plot([median.low, min(median.high, end)], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
    ax.plot([median.low], [row], "|", color=colour, markersize=10)
    if np.isfinite(median.high):
        ax.plot([median.high], [row], "|", color=colour, markersize=10)
    else:
        ax.plot([end], [row], ">", color=colour, clip_on=False, zorder=4)
    if np.isfinite(median.value) and row != 0.5:
        ax.plot([median.value], [row], "o", color=colour, markersize=6, zorder=4)


def _name_band_and_bar(ax: Any, shown: Mapping[str, BasinValues], colour: Any) -> None:
    """Adds legend entries for bands and bars, without drawing further ones."""
    held = ", ".join(f"{100 * each:g}" for each in sorted({found.confidence for found in shown.values()}))
    ax.fill_between([], [], alpha=0.2, color=colour, linewidth=0, label=f"{held} % confidence interval of the share")
    ax.plot([], [], color=colour, linewidth=2.5, label=f"{held} % confidence interval of the median")


def _below(shown: Mapping[str, BasinValues]) -> list[str]:
    """The sentences of the note: the range, the number of directions, and the relative median."""
    said = []
    for name, found in shown.items():
        lost = int(found.censored.sum())
        relative = found.quantile(0.5, unit="relative")
        facts = f"{basin_range(found)}; {found.count} random directions"
        facts += f"; along {lost} of them the score never leaves the range" if lost else ""
        if np.isfinite(relative.value):
            facts += f"; the median is {100 * relative.value:.3g} % of the norm of the weights"
        said.append(f"{cleaned(name, LABEL)}: {facts}." if name else f"{facts}.")
    return [literal(sentence) for sentence in said]
