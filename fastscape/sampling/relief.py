"""What is interpolated between the points of a grid: heights, or their difference to a trend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastscape.results import logarithms
from fastscape.sampling.later import scipy

__all__ = ["Relief"]


@dataclass(frozen=True, eq=False)
class Relief:
    """A grid, and how high its values stand.

    Args:
        axes: Coordinates along each axis.
        log: Whether heights are log10 of the loss, as long as no loss is negative.
        trend: Values [G, measures or fewer] that are known everywhere, the loss first; None for none.
    """

    axes: tuple[np.ndarray, ...]
    log: bool
    trend: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along each axis."""
        return tuple(map(len, self.axes))

    @cached_property
    def at(self) -> np.ndarray:
        """The places of the points [G, D], in units of the axes' lengths."""
        unit = [(axis - axis[0]) / (np.ptp(axis) or 1.0) for axis in self.axes]
        return np.stack(np.meshgrid(*unit, indexing="ij"), -1).reshape(-1, len(unit))

    def logarithmic(self, known: np.ndarray) -> bool:
        """Whether heights are log10 of the loss, where some losses [n] are known."""
        finite = known[np.isfinite(known)]
        return self.log and bool(finite.size) and bool(finite.min() >= 0 and finite.max() > 0)

    def heights(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Values [n, measures] with heights in the place of the losses; `known` are known losses [m]."""
        if not self.logarithmic(known):
            return values
        return np.concatenate([logarithms(values[:, :1], known[known > 0].min()), values[:, 1:]], axis=1)

    def base(self, measures: int, known: np.ndarray) -> np.ndarray:
        """The trend [G, measures], heights in the place of its losses; 0 where there is none.

        Where it is not finite, or has no logarithm and needs one, the nearest other one stands for it: any known
        surface will do, and the more the better it is.

        Args:
            measures: The number of columns.
            known: Losses that are known [m].

        Returns:
            What is taken from the heights.
        """
        base = np.zeros((len(self.at), measures))
        if self.trend is None:
            return base
        logarithmic = self.logarithmic(known)
        for k, column in enumerate(self.trend.T[:measures]):
            there = np.isfinite(column) & (column > 0 if logarithmic and not k else True)
            if there.any():
                base[there, k] = np.log10(column[there]) if logarithmic and not k else column[there]
                if not there.all():
                    nearest = scipy.spatial.KDTree(self.at[there]).query(self.at[~there])[1]
                    base[~there, k] = base[there, k][nearest]
        return base
