"""The merge tree of basins, by matplotlib: leaves at the heights of minima, joins at the heights of saddles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastscape.results import Basin
from fastscape.views.basin_map import numbered
from fastscape.views.sizes import letters
from fastscape.views.topology_shown import GREY, ShownTopology

__all__ = ["MARGIN", "MOST", "draw_tree", "tree_places"]

MARGIN = 0.04  # room for the number of the lowest leaf below it, as a fraction of the range of heights
MOST = 40  # basins of a tree; a larger tree could not be read


def tree_places(basins: Sequence[Basin]) -> dict[int, float]:
    """Orders the branches of a merge tree so that no branches cross.

    Basins that join a basin are on its right, the lower saddle first. Each comes with all basins that joined it
    before. Its link to the left then passes only over branches that have ended below.

    Args:
        basins: The basins; with each basin also the basin that it joins.

    Returns:
        The position 0, 1, 2 and so on, by the number of the basin.

    Example:
        >>> from fastscape import Landscape, topology
        >>> import numpy as np
        >>> loss = np.array([0.0, 3.0, 1.0, 2.0, 1.5])
        >>> tree_places(topology(Landscape(np.arange(5.0), None, loss), log=False).basins)
        {0: 0.0, 1: 1.0, 2: 2.0}
    """
    joined: dict[int | None, list[Basin]] = {}
    for basin in basins:
        joined.setdefault(basin.joins, []).append(basin)
    found: dict[int, float] = {}
    waiting = sorted(joined.get(None, []), key=lambda basin: -basin.number)
    while waiting:
        basin = waiting.pop()
        found[basin.number] = float(len(found))
        waiting += sorted(joined.get(basin.number, []), key=lambda one: (-one.saddle, -one.number))
    return found


def draw_tree(ax: Any, shown: ShownTopology) -> list[str]:
    """Draws the merge tree.

    Args:
        ax: The axes to draw on.
        shown: The topology.

    Returns:
        Sentences that name the basins left out.
    """
    basins = shown.found.basins
    # A basin joins only basins that are at least as deep.
    kept = sorted(sorted(basins, key=lambda basin: (-basin.depth, basin.number))[:MOST])
    places = tree_places(kept)
    low, high = shown.ends
    for basin in kept:
        x, minimum = places[basin.number], shown.scaled(basin.minimum)
        top = high if basin.joins is None else shown.scaled(basin.saddle)
        style: dict[str, Any] = {"color": "black" if basin.certain else GREY, "linewidth": 1.6, "zorder": 3}
        style |= {"label": f"_basin {basin.number}", "solid_capstyle": "projecting"}
        if basin.joins is None:
            ax.plot([x, x], [minimum, top], **style)
        else:
            ax.plot([x, x, places[basin.joins]], [minimum, top, top], **style)
        numbered(ax, (x, minimum), basin)
    if shown.band > 0:
        _scale(ax, shown, len(kept))
    room = _room(len(kept)) if shown.band > 0 else 0.0
    ax.set(xlim=(-0.7, max(len(kept), 1.6) - 0.3 + room), ylim=(low - MARGIN * (high - low), high))
    ax.set(xticks=[], xlabel="basins", ylabel=shown.label)
    return [f"The tree shows the {MOST} deepest of {len(basins)} basins."] if len(basins) > MOST else []


def _room(count: int) -> float:
    """The width of the text beside the tree, in units of one basin."""
    return max(0.6, 0.2 * count)


def _scale(ax: Any, shown: ShownTopology, count: int) -> None:
    """Draws a scale bar of twice the error beside the tree."""
    low, high = shown.ends
    x, top = max(count, 1.6) - 0.3 + _room(count) / 2, high - 0.03 * (high - low)
    bottom = top - shown.band
    ax.plot([x, x], [bottom, top], "_-", color="0.35", linewidth=1.2, ms=7, label="_band")
    ax.annotate("twice the\nerror", (x, max(bottom, low)), (0, -3), textcoords="offset points", fontsize=letters(),
                color="0.35", ha="center", va="top")  # fmt: skip
