"""Finds the basins of a grid of values: how many there are, how deep they are, and how they merge.

Everything here takes plain values on grids, and knows no models and no weights.
"""

from fastscape.persistence.distances import DistanceKind, distance
from fastscape.persistence.merge_tree import MergeTree, merge_tree
from fastscape.persistence.options import TopologyOptions
from fastscape.persistence.topology import topology_of

__all__ = ["DistanceKind", "MergeTree", "TopologyOptions", "distance", "merge_tree", "topology_of"]
