"""The topology of landscapes that were computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastscape.persistence import TopologyOptions, topology_of
from fastscape.reports import Topology
from fastscape.results import Values, documented

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["topology"]


@documented(TopologyOptions)
def topology(landscape: Values, **given: Unpack[TopologyOptions]) -> Topology:
    """Which basins a landscape has, how deep they are and how they merge, and how far that can be trusted.

    Let the level rise: the region below it, {f <= level}, begins at the minima. Where two parts of it meet, at a
    saddle, the one with the higher minimum ends (elder rule). Its birth is the height of its minimum and its death
    that of the saddle; the difference is its persistence, the depth of the basin. Loops (dimension 1) are born where
    a region closes around something higher, and die where that is filled; voids (dimension 2) likewise.

    The grid stands for the function: points are connected to their neighbours along the axes, and points at which the
    measure is NaN or infinite are outside. What is found is exact for the grid. Features narrower than its spacing
    are not in it.

    A basin up to `threshold` is none: it is filled up to its saddle and counts to the basin on the other side. The
    others are `basins`, with minimum, saddle, depth, size, and whether their depth is larger than twice the `error`
    of the heights: then the function that these values are of has a basin there too.

    Args:
        landscape: A line, a plane, or values on a grid of more axes.
        **given: As `fastscape.persistence.TopologyOptions` says.

    Returns:
        The topology, with `basins`, `pairs`, `labels` [H, W], `error`, `distance`, `plot`, `save` and `load`.

    Raises:
        ImportError: When loops or voids are asked for, and gudhi is not installed.
        TypeError: When there is no such option, or no landscape.
        ValueError: When an option has no such value, the measure is unknown, or it is finite nowhere.

    Example:
        >>> import numpy as np, fastscape
        >>> x = np.linspace(-2, 2, 41)
        >>> wells = (x[:, None] ** 2 - 1) ** 2 + 0.1 * x[:, None] + x**2  # minima at (-1, 0) and (1, 0)
        >>> found = fastscape.topology(fastscape.Landscape(x, x, wells), log=False)
        >>> [found.coordinates(basin.at) for basin in found.basins], found.basins[1].joins
        ([(-1.0, 0.0), (1.0, 0.0)], 0)
        >>> found.coordinates(found.basins[1].saddle_at), round(found.basins[1].depth, 6)
        ((0.0, 0.0), 0.9)

    Source: Edelsbrunner, Letscher and Zomorodian 2002, "Topological persistence and simplification"; Cohen-Steiner,
    Edelsbrunner and Harer 2007, "Stability of persistence diagrams".
    """
    return Topology.of(topology_of(landscape, given))
