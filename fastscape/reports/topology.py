"""The topology of a landscape, with its methods."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastscape import persistence, views
from fastscape.persistence import DistanceKind
from fastscape.results import TopologyValues

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Topology"]


@dataclass(frozen=True, eq=False, repr=False)
class Topology(TopologyValues):
    """The topology of a landscape: what `fastscape.topology` returns. See `fastscape.results.TopologyValues`.

    `basins` has the basins with their merge tree, `pairs` all births and deaths, `labels` the grid of basins, and
    `print` shows a table.

    Example:
        >>> import numpy as np, tempfile, fastscape
        >>> x = np.linspace(-2, 2, 81)
        >>> found = fastscape.topology(fastscape.Landscape(x, None, (x**2 - 1) ** 2 + 0.1 * x), log=False)
        >>> [round(found.coordinates(basin.at)[0], 2) for basin in found.basins]
        [-1.0, 1.0]
        >>> again = fastscape.Topology.load(found.save(tempfile.mkdtemp() + "/topology.npz"))
        >>> again.as_dict() == found.as_dict()
        True
    """

    def __str__(self) -> str:
        return views.topology_text(self)

    def _repr_html_(self) -> str:
        return views.displayed_report(self, str(self))

    def plot(self, **options: Any) -> list[Axes]:
        """Draws basins, merge tree and diagram. See `fastscape.views.topology`, which takes the same options."""
        return views.topology(self, **options)

    @classmethod
    def of(cls, values: TopologyValues) -> Topology:
        """The topology of plain values.

        Args:
            values: The values.

        Returns:
            The topology.
        """
        made = cls.__new__(cls)
        vars(made).update(vars(values))  # arrays are frozen, so shared
        return made

    def distance(
        self,
        other: TopologyValues,
        kind: DistanceKind = "bottleneck",
        dimension: int = 0,
        *,
        order: float = 1.0,
        internal_p: float = math.inf,
    ) -> float:
        """How far the persistence diagram of another topology is from this one.

        Pairs of the two diagrams are matched to each other, or to the diagonal (a feature that lasts for no height).
        With c_i the cost of a match, the larger one of the differences of births and of deaths (for a Wasserstein
        distance the norm `internal_p` of both),

            bottleneck:   min over all matchings of  max_i c_i
            wasserstein:  min over all matchings of  (sum_i c_i^q)^(1/q)

        Features that never end are matched among each other, by their births. If their
        numbers differ, as when NaN divides only one of the grids, the distance is infinite.

        Two functions that differ by at most e at every point have a bottleneck distance of at most e. So a distance
        above the sum of the two `error` is none that the errors explain.

        Args:
            other: The other topology.
            kind: "bottleneck", computed exactly, or "wasserstein", to one in a million. Default "bottleneck".
            dimension: Of the features: 0 for basins, 1 for loops, and so on. Default 0.
            order: The exponent q of a Wasserstein distance, from 1. Default 1.
            internal_p: The norm of a match in a Wasserstein distance, from 1. Default: infinity, the largest one.

        Returns:
            The distance, in heights.

        Raises:
            ImportError: When gudhi is not installed.
            TypeError: When `other` is no topology.
            ValueError: When only one of them has heights in log10, the pairs of the dimension were not computed,
                or an argument has no such value.

        Example:
            >>> import numpy as np, fastscape
            >>> x = np.linspace(-2, 2, 81)
            >>> wells = [(x**2 - 1) ** 2, 2 * (x**2 - 1) ** 2]
            >>> one, other = (fastscape.topology(fastscape.Landscape(x, None, y), log=False) for y in wells)
            >>> round(one.distance(other), 3)  # the well of depth 1 becomes one of depth 2, above the same minimum
            1.0

        Source: Cohen-Steiner, Edelsbrunner and Harer 2007, "Stability of persistence diagrams"; Kerber, Morozov and
        Nigmetov 2017, "Geometry helps to compare persistence diagrams"; computed by the GUDHI library.
        """
        return persistence.distance(self, other, kind, dimension, order=order, internal_p=internal_p)
