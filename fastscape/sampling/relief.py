"""Computes what a refinement interpolates between the points of a grid: heights, or their difference to a trend."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fastscape.results import logarithms
from fastscape.sampling.later import scipy

__all__ = ["Relief"]


@dataclass(frozen=True, eq=False)
class Relief:
    """A grid and the heights of its values.

    Args:
        axes: Coordinates along each axis.
        log: Whether heights are log10 of the loss, as long as no loss is negative.
        trend: Values [G, measures or fewer] that are known everywhere, the loss first; None without a trend.
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
        """Whether heights are log10 of the loss, by the known losses [n]."""
        finite = known[np.isfinite(known)]
        return self.log and bool(finite.size) and bool(finite.min() >= 0 and finite.max() > 0)

    def heights(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Values [n, measures] with heights instead of losses; `known` are known losses [m]."""
        if not self.logarithmic(known):
            return values
        return np.concatenate([logarithms(values[:, :1], known[known > 0].min()), values[:, 1:]], axis=1)

    def base(self, measures: int, known: np.ndarray) -> np.ndarray:
        """The trend [G, measures], with heights instead of losses; 0 without a trend.

        The nearest other value replaces a value that is not finite, or that needs a logarithm and has none. A trend
        may be any known surface; the more similar to the heights, the better.

        Args:
            measures: The number of columns.
            known: Losses that are known [m].

        Returns:
            The numbers that are subtracted from the heights.
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
