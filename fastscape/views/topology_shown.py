"""Topologies made ready to be drawn by matplotlib, on one scale of heights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastscape.results import Basin, Pair, TopologyValues, Values
from fastscape.views.drawable import Drawable, drawable
from fastscape.views.levels import colours_of, levels_of
from fastscape.views.texts import LABEL, cleaned, literal
from fastscape.views.units import Unit

__all__ = ["GREY", "ShownTopology", "height_name", "shown_together"]

GREY = "0.6"  # the colour of what may be noise
_CARRIED = "labels", "marks", "paths", "plane"  # what a picture takes from a report


def height_name(found: TopologyValues) -> str:
    """What the heights of a topology are called."""
    return cleaned(f"log10 {found.measure}" if found.scale == "log10" else found.measure, 2 * LABEL)


@dataclass(frozen=True)
class ShownTopology:
    """What a picture of a topology shows.

    Args:
        found: The topology.
        unit: The unit of the heights.
        label: Their label.
        edges: The heights of the lines of a map, of which the first and the last end the scale.
        colours: As `colours_of` returns them.
        options: Those of the picture.
    """

    found: TopologyValues
    unit: Unit
    label: str
    edges: np.ndarray
    colours: dict[str, Any]
    options: Any

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest height of the scale."""
        return float(self.edges[0]), float(self.edges[-1])

    @property
    def band(self) -> float:
        """Twice the error of the heights, in their unit: what lasts no longer may be noise."""
        return self.scaled(2 * self.found.error)

    def scaled(self, height: float) -> float:
        """A height in the unit; infinite ones stay."""
        return float(self.unit.scaled(np.array(height)))

    def lasting(self, pair: Pair) -> bool:
        """Whether a feature lasts for longer than the errors of the heights explain."""
        return pair.persistence > 2 * self.found.error

    def basin_of(self, pair: Pair) -> Basin | None:
        """The basin whose birth and death a pair is; None for one that is too shallow, or no basin."""
        of = {basin.at: basin for basin in self.found.basins}
        return of.get(tuple(pair.birth_at)) if pair.dimension == 0 else None

    def values(self) -> Values:
        """The heights as a landscape, with labels, marks and paths."""
        report = {name: self.found.report[name] for name in _CARRIED if name in self.found.report}
        return Values(self.found.axes, {self.found.measure: self.found.heights}, report)

    def drawable(self) -> Drawable:
        """The grid with labels, marks and paths, sorted and in units that matplotlib can draw."""
        return drawable(self.values(), {"metric": self.found.measure, "log": False, "clip": None})

    def said(self) -> list[str]:
        """What stands below the picture."""
        found = self.found
        count = len(found.basins)
        said = f"{count} basin{'s' * (count != 1)} deeper than {found.threshold:.3g}"
        if not found.errors:
            return [f"{said}. The errors of the heights are not known."]
        sources = ", ".join(f"{cleaned(name, LABEL)} {error:.2g}" for name, error in found.errors.items())
        known = f"the heights are taken to be right within {found.error:.2g} ({sources})"
        return [literal(f"{said}; {known}. Grey and hollow: lasts for twice that or less, and may be noise.")]


def shown_together(several: Sequence[TopologyValues], options: Any) -> list[ShownTopology]:
    """Topologies on one scale.

    Args:
        several: The topologies, at least one.
        options: "scale", "levels" and "cmap".

    Returns:
        What pictures of them show.

    Raises:
        ValueError: When the heights of one are log10 and those of another not, or of another measure, when there are
            none, or the levels are none.
    """
    first = several[0]
    for other in several[1:]:
        if (other.measure, other.scale) != (first.measure, first.scale):
            raise ValueError(
                f"topologies of {height_name(first)} and of {height_name(other)} have no scale in common; compute "
                "both with the same measure= and log="
            )
    heights = np.concatenate([found.heights.ravel() for found in several])
    if not np.isfinite(heights).any():
        raise ValueError("there is no height to draw; all points are outside")
    scale = options["scale"]
    ends = heights if scale is None else np.array(scale, dtype=float)
    unit = Unit.of(ends)
    edges = levels_of(unit.scaled(ends), options["levels"], unit, 25)
    colours = colours_of(first.measure, edges, options["cmap"], log=first.scale == "log10")
    label = literal(unit.labelled(height_name(first)))
    return [ShownTopology(found, unit, label, edges, colours, options) for found in several]
