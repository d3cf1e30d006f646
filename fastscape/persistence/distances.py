"""Computes distances of two topologies: distances of their persistence diagrams, by gudhi."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from fastscape.results import TopologyValues, package

__all__ = ["DistanceKind", "distance"]

DistanceKind = Literal["bottleneck", "wasserstein"]

_PRECISELY = 1e-6
"""Relative error of a Wasserstein distance, from the auction algorithm that computes it."""


def distance(
    one: TopologyValues,
    other: TopologyValues,
    kind: DistanceKind = "bottleneck",
    dimension: int = 0,
    *,
    order: float = 1.0,
    internal_p: float = math.inf,
) -> float:
    """The distance of the persistence diagrams of two topologies. See `fastscape.Topology.distance`.

    Args:
        one: A topology.
        other: The other topology.
        kind: "bottleneck" or "wasserstein".
        dimension: The dimension of the pairs.
        order: The exponent q of a Wasserstein distance.
        internal_p: The norm between points of a diagram, for a Wasserstein distance.

    Returns:
        The distance, in heights; infinite if they differ in the number of features that never end.

    Raises:
        ImportError: When gudhi is not installed.
        TypeError: When `other` is no topology.
        ValueError: When the scales differ, the pairs of the dimension are not known, or the value of an argument is
            not allowed.
    """
    if not isinstance(other, TopologyValues):
        raise TypeError(f"other must be a topology, as fastscape.topology returns it, got {type(other).__name__}")
    if kind not in get_args(DistanceKind):
        raise ValueError(f"kind must be one of 'bottleneck', 'wasserstein', got {kind!r:.80}")
    for name, value in (("order", order), ("internal_p", internal_p)):
        if not isinstance(value, int | float) or not value >= 1 or (name == "order" and value == math.inf):
            raise ValueError(f"{name} must be a number of at least 1, got {value!r:.80}")
    if one.scale != other.scale:
        raise ValueError(
            f"both topologies must have heights on the same scale, got {one.scale} and {other.scale}; compute both "
            "with log=True or both with log=False"
        )
    diagrams = [found.diagram(dimension) for found in (one, other)]
    ending = [diagram[np.isfinite(diagram[:, 1])] for diagram in diagrams]
    births = [np.sort(diagram[np.isinf(diagram[:, 1]), 0]) for diagram in diagrams]
    gudhi = package("gudhi", "topology")
    if len(births[0]) != len(births[1]):
        return math.inf
    moved = np.abs(births[0] - births[1])  # the best way to pair numbers is in their order
    if kind == "bottleneck":
        return max(float(moved.max(initial=0.0)), float(gudhi.bottleneck_distance(*ending, e=0)))
    return float(((moved**order).sum() + _transport(ending, order, internal_p) ** order) ** (1 / order))


def _transport(diagrams: list[np.ndarray], order: float, internal_p: float) -> float:
    hera: Any = package("gudhi.hera", "topology")
    return float(hera.wasserstein_distance(*diagrams, order=order, internal_p=internal_p, delta=_PRECISELY))
