"""What a topology is made of: features with their births and deaths, and basins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fastscape.results.regions import Extent

__all__ = ["Basin", "Pair"]


class Pair(NamedTuple):
    """A feature of the regions below a rising level: the height at which it appears, and that at which it is gone.

    Args:
        dimension: 0 for a region (a basin), 1 for a loop around something higher, 2 for a void, and so on.
        birth: The height at which it appears.
        death: The height at which it ends: a region joins one with a deeper minimum, a hole is filled. Infinite where
            it never does.
        birth_at: The grid index of the point that begins it: for a region its minimum.
        death_at: The grid index of the point that ends it: for a region the saddle, for a loop of a plane the maximum
            in it; None where nothing does.
    """

    dimension: int
    birth: float
    death: float
    birth_at: tuple[int, ...]
    death_at: tuple[int, ...] | None

    @property
    def persistence(self) -> float:
        """For how many heights it lasts, death - birth; infinite where it never ends."""
        return self.death - self.birth


class Basin(NamedTuple):
    """A basin that is deeper than the threshold.

    Args:
        number: Its number, which its points have in `labels`; 0 is the lowest basin.
        at: The grid index of its minimum.
        minimum: The height there.
        saddle_at: The grid index of the lowest pass to a deeper basin; None where it joins none.
        saddle: The height there; infinite where it joins none.
        joins: The number of the basin that it joins there, of all that are connected then the deepest; None for none.
        certain: Whether it is deeper than twice the error of the heights, so that the function itself has a basin
            there too. If the error is not known, this is a statement about the grid alone.
        at_edge: Whether the minimum is at the border of the grid, or beside a point that is outside. The function
            may fall further there, and have no minimum.
        extent: How large it is, see `Extent`.
        measures: The value of every measure of the landscape at the minimum, by name.
    """

    number: int
    at: tuple[int, ...]
    minimum: float
    saddle_at: tuple[int, ...] | None
    saddle: float
    joins: int | None
    certain: bool
    at_edge: bool
    extent: Extent
    measures: Mapping[str, float]

    @property
    def depth(self) -> float:
        """How deep it is below its saddle, saddle - minimum: its persistence. Infinite where it joins no other."""
        return self.saddle - self.minimum

    @property
    def points(self) -> int:
        """How many points of the grid drain into it."""
        return self.extent.points

    @property
    def volume(self) -> float:
        """How large its region below the saddle is, in the units of the axes. See `TopologyValues.volume`."""
        return self.extent.volume

    @property
    def width(self) -> tuple[float, ...]:
        """How wide that region is along each axis, in its unit."""
        return self.extent.width
