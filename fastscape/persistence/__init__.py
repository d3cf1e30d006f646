"""The shape of the basins of a grid of values: how many there are, how deep, and how they merge.

Everything here takes plain values, which no model made again: it knows grids and no weights.
"""

from fastscape.persistence.merge_tree import MergeTree, merge_tree

__all__ = ["MergeTree", "merge_tree"]
