"""Births and deaths of the features of a landscape, by matplotlib: the persistence diagram and the barcode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastscape.results import Pair
from fastscape.views.sizes import letters
from fastscape.views.topology_shown import GREY, ShownTopology

__all__ = ["draw_barcode", "draw_diagram"]

_NAMES = {0: "basins", 1: "loops", 2: "voids"}
_LOOKS = {0: ("o", "#0072b2"), 1: ("^", "#d55e00"), 2: ("s", "#009e73")}  # colours of Okabe and Ito
_OTHER = ("D", "#cc79a7")
_BARS = 60  # bars of a barcode; more could not be read
_NUMBERED = 25  # basins with a number in the diagram
_TOGETHER = 4  # numbers in one text, if points are close together


def _name(dimension: int) -> str:
    return _NAMES.get(dimension, f"features of dimension {dimension}")


def draw_diagram(ax: Any, shown: ShownTopology) -> list[str]:
    """Draws the persistence diagram: births along x, deaths along y, and the band in which features may be noise.

    Args:
        ax: The axes to draw on.
        shown: The topology.

    Returns:
        An empty list, because no feature is left out.
    """
    low, high = shown.ends
    margin = 0.05 * (high - low)
    first, last = low - margin, high + 3 * margin
    never = high + 1.7 * margin  # the height of features that never end
    ends = np.array([first, last])
    ax.plot(ends, ends, color="0.3", linewidth=1, label="_diagonal")
    if shown.band > 0:
        ax.fill_between(ends, ends, ends + shown.band, color="0.9", linewidth=0, label="twice the error", zorder=0)
    pairs = shown.found.pairs
    if any(math.isinf(pair.death) for pair in pairs):
        ax.axhline(never, color="0.5", linestyle="--", linewidth=0.8, label="_never")
        middle = (first + 0.5 * (last - first), never)
        style = {"textcoords": "offset points", "fontsize": letters(), "color": "0.35", "ha": "center"}
        ax.annotate("never", middle, (0, 2), **style)
    for dimension in sorted({pair.dimension for pair in pairs}):
        own = [pair for pair in pairs if pair.dimension == dimension]
        _points(ax, shown, own, never)
    _numbers(ax, shown, never, 0.02 * (last - first))
    ax.set(xlim=(first, last), ylim=(first, last), aspect="equal")
    ax.set(xlabel=f"birth, {shown.label}", ylabel=f"death, {shown.label}")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=letters(), loc="lower right")
    return []


def _numbers(ax: Any, shown: ShownTopology, never: float, near: float) -> None:
    """Writes the numbers of basins beside their points; points that are close together share one text."""
    groups: list[tuple[tuple[float, float], list[str]]] = []
    numbered = [(basin, pair) for pair in shown.found.pairs if (basin := shown.basin_of(pair)) is not None]
    for basin, pair in numbered[:_NUMBERED]:
        place = _place(shown, pair, never)
        beside = next((numbers for at, numbers in groups if math.dist(at, place) < near), None)
        if beside is None:
            groups.append((place, [str(basin.number)]))
        else:
            beside.append(str(basin.number))
    for place, numbers in groups:
        more = "..." if len(numbers) > _TOGETHER else ""
        said = ", ".join(numbers[:_TOGETHER]) + more
        ax.annotate(said, place, (4, 4), textcoords="offset points", fontsize=letters()).set_in_layout(False)


def _points(ax: Any, shown: ShownTopology, pairs: Sequence[Pair], never: float) -> None:
    """Draws the features of one dimension."""
    marker, colour = _LOOKS.get(pairs[0].dimension, _OTHER)
    lasting = [pair for pair in pairs if shown.lasting(pair)]
    noise = [pair for pair in pairs if not shown.lasting(pair)]
    name = _name(pairs[0].dimension)
    for some, face, edge, label in (
        (noise, "none", GREY, f"_noise of {name}" if lasting else f"{name}, may be noise"),
        (lasting, colour, "white", name),
    ):
        if some:
            at = np.array([_place(shown, pair, never) for pair in some])
            ax.plot(*at.T, marker, ms=6, color=edge, markerfacecolor=face, markeredgecolor=edge, markeredgewidth=0.8,
                    label=label, zorder=3 if some is lasting else 2)  # fmt: skip


def _place(shown: ShownTopology, pair: Pair, never: float) -> tuple[float, float]:
    return shown.scaled(pair.birth), never if math.isinf(pair.death) else shown.scaled(pair.death)


def draw_barcode(ax: Any, shown: ShownTopology) -> list[str]:
    """Draws a bar from birth to death for each feature: by dimension, the most persistent first.

    Args:
        ax: The axes to draw on.
        shown: The topology.

    Returns:
        Sentences that name the features left out.
    """
    low, high = shown.ends
    margin = 0.05 * (high - low)
    pairs = sorted(shown.found.pairs, key=lambda pair: -pair.persistence)[:_BARS]
    pairs.sort(key=lambda pair: (pair.dimension, -pair.persistence))
    named: set[int] = set()
    sure = {pair.dimension for pair in pairs if shown.lasting(pair)}
    for row, pair in enumerate(pairs):
        lasting = shown.lasting(pair)
        colour = _LOOKS.get(pair.dimension, _OTHER)[1]
        # In a dimension with noise only, the noise has the label.
        first = pair.dimension not in named and (lasting or pair.dimension not in sure)
        name = _name(pair.dimension) if lasting else f"{_name(pair.dimension)}, may be noise"
        label = name if first else f"_bar {row}"
        named |= {pair.dimension} if first else set()
        end = high + margin if math.isinf(pair.death) else shown.scaled(pair.death)
        ax.plot([shown.scaled(pair.birth), end], [row, row], "-" if lasting else "|-", ms=4,
                color=colour if lasting else GREY, linewidth=3 if lasting else 1, solid_capstyle="butt",
                label=label)  # fmt: skip
        if math.isinf(pair.death):
            ax.plot([end], [row], ">", color=colour, ms=6, clip_on=False, label=f"_never {row}")
        basin = shown.basin_of(pair)
        if basin is not None:
            ax.annotate(str(basin.number), (shown.scaled(pair.birth), row), (-4, 0), textcoords="offset points",
                        fontsize=letters(), ha="right", va="center")  # fmt: skip
    ax.set(xlim=(low - margin, high + margin), ylim=(max(len(pairs), 1) - 0.3, -0.7), yticks=[], xlabel=shown.label)
    if named:
        ax.legend(fontsize=letters(), loc="lower right")
    lost = len(shown.found.pairs) - len(pairs)
    return [f"The barcode shows the {_BARS} most persistent of {len(shown.found.pairs)} features."] if lost else []
