"""The parts of a topology: features with their births and deaths, and basins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from fastscape.results.regions import Extent

__all__ = ["Basin", "Pair"]


class Pair(NamedTuple):
    """A feature of the regions below a rising level, with the heights at which it appears and ends.

    Args:
        dimension: 0 for a region (a basin), 1 for a loop around something higher, 2 for a void, and so on.
        birth: The height at which it appears.
        death: The height at which it ends: a region joins a region with a deeper minimum, a hole is filled. Infinite
            if the feature never ends.
        birth_at: The grid index of the point that begins the feature: for a region its minimum.
        death_at: The grid index of the point that ends the feature: for a region the saddle, for a loop of a plane the
            maximum inside; None if it never ends.
    """

    dimension: int
    birth: float
    death: float
    birth_at: tuple[int, ...]
    death_at: tuple[int, ...] | None

    @property
    def persistence(self) -> float:
        """The range of heights over which the feature exists, death - birth; infinite if it never ends."""
        return self.death - self.birth


class Basin(NamedTuple):
    """A basin that is deeper than the threshold.

    Args:
        number: Its number, which its points have in `labels`; 0 is the lowest basin.
        at: The grid index of its minimum.
        minimum: The height there.
        saddle_at: The grid index of the lowest pass to a deeper basin; None if the basin joins no other.
        saddle: The height there; infinite if the basin joins no other.
        joins: The number of the basin that it joins there: the deepest of all basins that are connected at this
            height; None if it joins none.
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
        """How deep it is below its saddle, saddle - minimum: its persistence. Infinite if it joins no other basin."""
        return self.saddle - self.minimum

    @property
    def points(self) -> int:
        """How many points of the grid drain into it."""
        return self.extent.points

    @property
    def volume(self) -> float:
        """The volume of its region below the saddle, in the units of the axes. See `TopologyValues.volume`."""
        return self.extent.volume

    @property
    def width(self) -> tuple[float, ...]:
        """The width of its region below the saddle along each axis, in its unit."""
        return self.extent.width
