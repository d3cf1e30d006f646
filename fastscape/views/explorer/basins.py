"""What a page holds of the basins of a landscape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastscape.results import Basin, TopologyValues, Values
from fastscape.views.explorer.packed import encoded
from fastscape.views.plane import ordered
from fastscape.views.texts import LABEL, cleaned
from fastscape.views.topology_shown import height_name

__all__ = ["packed_basins"]


def packed_basins(found: TopologyValues, landscape: Values) -> dict[str, Any]:
    """The basins of a landscape for JSON.

    Args:
        found: Its topology.
        landscape: The landscape.

    Returns:
        The number of the basin of each point, -1 outside, and in the order of these numbers what is said of each
        basin, where its minimum lies and whether it is certain; and a sentence on all of them.

    Raises:
        ValueError: When the topology is of another grid.
    """
    same = list(found.axes) == list(landscape.axes) and all(
        np.array_equal(axis, landscape.axes[name]) for name, axis in found.axes.items()
    )
    if not same:
        points = " x ".join(map(str, found.heights.shape))
        raise ValueError(
            f"a topology on {points} points is of another grid than the landscape with {landscape.shape_text}; write "
            "topology=landscape.topology()"
        )
    height = cleaned(height_name(found), LABEL)
    return {
        "numbers": encoded(found.labels[np.ix_(*ordered(landscape))]),
        "said": [_said(found, basin) for basin in found.basins],
        "minima": [found.coordinates(basin.at) for basin in found.basins],
        "certain": [bool(basin.certain) for basin in found.basins],
        "about": f"Basins are those of {height} that are deeper than {found.threshold:.3g}.",
    }


def _said(found: TopologyValues, basin: Basin) -> str:
    if math.isfinite(basin.depth):
        depth = f"saddle {basin.saddle:.4g} to basin {basin.joins}, depth {basin.depth:.4g}"
    else:
        depth = "joins no deeper one"
    certain = ("certain" if basin.certain else "may be noise") if found.errors else "error not known"
    return f"basin {basin.number} of {len(found.basins)}: minimum {basin.minimum:.4g}, {depth} ({certain})"
