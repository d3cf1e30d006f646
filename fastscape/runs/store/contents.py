"""What a store is begun with, and what must be the same when it is taken up again."""

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
    """What a store is to hold.

    Args:
        settings: What determines the values, as plain values by name.
        axes: Coordinates by the name of the axis.
        measures: What is summed for every point, by name.
        squares: Whether the squares of the losses are summed too.
        ordered: Whether blocks are of neighbouring points; else of any. Default True.
        directions: The directions [D, P], where they were given. Default: they are random.
        reach: How far those axes go whose range was chosen, as the report says it. Default: none was.
    """

    settings: Mapping[str, Any]
    axes: Mapping[str, np.ndarray]
    measures: Sequence[str]
    squares: bool
    ordered: bool = True
    directions: np.ndarray | None = None
    reach: Mapping[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> dict[str, Any]:
        """What is compared with a store that was begun before, after a way through JSON."""
        found = {**self.settings, "axes": len(self.axes), "measures": list(self.measures)}
        return dict(json.loads(json.dumps(found)))

    @property
    def arrays(self) -> dict[str, tuple[np.ndarray, tuple[str, ...]]]:
        """What is written once, when a run begins, with the names of the dimensions."""
        given: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {n: (axis, (n,)) for n, axis in self.axes.items()}
        if self.directions is not None:
            given["directions"] = (self.directions, ("direction", "entry"))
        return given

    def rows(self, size: int) -> tuple[int, int]:
        """The shape of the sums, for blocks of a size."""
        points = math.prod(map(len, self.axes.values()))
        return rows_of(points, size, ordered=self.ordered), len(self.measures) + self.squares
