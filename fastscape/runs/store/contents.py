"""The contents with which a store is created, and which must be the same when it is resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastscape.runs.store.reading import rows_of

__all__ = ["StoreAsked"]


@dataclass(frozen=True, eq=False)
class StoreAsked:
    """The contents of a store.

    Args:
        settings: The settings that determine the values, as plain values by name.
        axes: Coordinates by the name of the axis.
        measures: Names of the measures that are summed at every point.
        moments: Number of moments of the loss that are summed too.
        ordered: Whether the points of a block are neighbours. Default True.
        directions: The directions [D, P], if they were given. Default: random directions.
        reach: The chosen ranges of axes, as in the report. Default: no range was chosen.
    """

    settings: Mapping[str, Any]
    axes: Mapping[str, np.ndarray]
    measures: Sequence[str]
    moments: int
    ordered: bool = True
    directions: np.ndarray | None = None
    reach: Mapping[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> dict[str, Any]:
        """The settings that are compared with an existing store, after a round trip through JSON."""
        found = {**self.settings, "axes": len(self.axes), "measures": list(self.measures)}
        return dict(json.loads(json.dumps(found)))

    @property
    def arrays(self) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
        """The arrays that are written once, when a run starts, with the names of the dimensions."""
        given: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {n: (axis, (n,)) for n, axis in self.axes.items()}
        if self.directions is not None:
            given["directions"] = (self.directions, ("direction", "entry"))
        return given

    def rows(self, size: int) -> tuple[int, int]:
        """The shape of the sums, for blocks of a size."""
        points = math.prod(map(len, self.axes.values()))
        return rows_of(points, size, ordered=self.ordered), len(self.measures) + self.moments
