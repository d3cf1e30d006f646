"""The public call `topology`: the basins of a computed landscape."""

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
    """The basins of a landscape: how many, how deep, how they merge, and how reliable each is.

    As the level rises, the region below it, {f <= level}, starts at the minima. When two components meet, at a
    saddle, the component with the higher minimum ends (elder rule). Its birth is the height of its minimum and its
    death the height of the saddle; the difference is its persistence, the depth of the basin. Loops (dimension 1) are
    born when the region closes around something higher, and die when the hole is filled; voids (dimension 2)
    likewise.

    The grid represents the function: points are connected to their neighbours along the axes, and points at which the
    measure is NaN or infinite are outside. The result is exact for the grid, which cannot show features narrower than
    its spacing.

    A basin whose depth is at most `threshold` does not count: it is filled up to its saddle and joins the basin on
    the other side. The remaining basins are `basins`, each with minimum, saddle, depth and size, and with a flag that
    is true if its depth is larger than twice the `error` of the heights: the true function then has a basin there
    too.

    Args:
        landscape: A line, a plane, or values on a grid of more axes.
        **given: The options of `fastscape.persistence.TopologyOptions`.

    Returns:
        The topology, with `basins`, `pairs`, `labels` [H, W], `error`, `distance`, `plot`, `save` and `load`.

    Raises:
        ImportError: When loops or voids are requested and gudhi is not installed.
        TypeError: When there is no such option, or the argument is not a landscape.
        ValueError: When an option has an unknown value, the measure is unknown, or the measure is finite nowhere.

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
