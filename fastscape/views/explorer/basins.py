"""The basins of a landscape as data for a page."""

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
        found: The topology of the landscape.
        landscape: The landscape.

    Returns:
        The number of the basin of each point, -1 outside all basins. In the order of these numbers, for each basin a
        sentence, the place of its minimum, and whether it is certain. And a sentence on all basins.

    Raises:
        ValueError: When the topology is of a different grid.
    """
    same = list(found.axes) == list(landscape.axes) and all(
        np.array_equal(axis, landscape.axes[name]) for name, axis in found.axes.items()
    )
    if not same:
        points = " x ".join(map(str, found.heights.shape))
        raise ValueError(
            f"the topology must be of the landscape's grid with {landscape.shape_text} points, got one of {points}; "
            "write topology=landscape.topology()"
        )
    height = cleaned(height_name(found), LABEL)
    return {
        "numbers": encoded(found.labels[np.ix_(*ordered(landscape))]),
        "said": [_said(found, basin) for basin in found.basins],
        "minima": [found.coordinates(basin.at) for basin in found.basins],
        "certain": [bool(basin.certain) for basin in found.basins],
        "about": f"Basins of {height} are shown if they are deeper than {found.threshold:.3g}.",
    }


def _said(found: TopologyValues, basin: Basin) -> str:
    if math.isfinite(basin.depth):
        depth = f"saddle {basin.saddle:.4g} to basin {basin.joins}, depth {basin.depth:.4g}"
    else:
        depth = "joins no deeper basin"
    certain = ("certain" if basin.certain else "may be noise") if found.errors else "error not known"
    return f"basin {basin.number} of {len(found.basins)}: minimum {basin.minimum:.4g}, {depth} ({certain})"
