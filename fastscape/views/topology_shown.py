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

GREY = "0.6"  # the colour of features that may be noise
_CARRIED = "labels", "marks", "paths", "plane"  # the parts of a report that a picture shows


def height_name(found: TopologyValues) -> str:
    """The name of the heights of a topology."""
    return cleaned(f"log10 {found.measure}" if found.scale == "log10" else found.measure, 2 * LABEL)


@dataclass(frozen=True)
class ShownTopology:
    """The content of a picture of a topology.

    Args:
        found: The topology.
        unit: The unit of the heights.
        label: The label of the heights.
        edges: The heights of the contour lines of a map; the first and the last are the ends of the scale.
        colours: As `colours_of` returns them.
        options: The options of the picture.
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
        """Twice the error of the heights, in their unit; features of at most this persistence may be noise."""
        return self.scaled(2 * self.found.error)

    def scaled(self, height: float) -> float:
        """A height in the unit; infinite heights stay infinite."""
        return float(self.unit.scaled(np.array(height)))

    def lasting(self, pair: Pair) -> bool:
        """Whether a feature is more persistent than the errors of the heights explain."""
        return pair.persistence > 2 * self.found.error

    def basin_of(self, pair: Pair) -> Basin | None:
        """The basin of a pair of birth and death; None if the pair is no basin, or a basin that is too shallow."""
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
        """The sentences below the picture."""
        found = self.found
        count = len(found.basins)
        said = f"{count} basin{'s' * (count != 1)} deeper than {found.threshold:.3g}"
        if not found.errors:
            return [f"{said}. The errors of the heights are not known."]
        sources = ", ".join(f"{cleaned(name, LABEL)} {error:.2g}" for name, error in found.errors.items())
        known = f"the error of the heights is taken as {found.error:.2g} ({sources})"
        return [literal(f"{said}; {known}. Grey and hollow: persistence of at most twice this error, may be noise.")]


def shown_together(several: Sequence[TopologyValues], options: Any) -> list[ShownTopology]:
    """Topologies on one scale.

    Args:
        several: The topologies, at least one.
        options: "scale", "levels" and "cmap".

    Returns:
        The contents of their pictures.

    Raises:
        ValueError: When some heights are log10 and others are not, when the measures differ, when there are no
            heights, or the levels are not valid.
    """
    first = several[0]
    for other in several[1:]:
        if (other.measure, other.scale) != (first.measure, first.scale):
            raise ValueError(
                f"topologies must have one scale, got {height_name(first)} and {height_name(other)}; compute both "
                "with the same measure= and log="
            )
    heights = np.concatenate([found.heights.ravel() for found in several])
    if not np.isfinite(heights).any():
        raise ValueError("the topology must have heights to draw, got none: all points are outside")
    scale = options["scale"]
    ends = heights if scale is None else np.array(scale, dtype=float)
    unit = Unit.of(ends)
    edges = levels_of(unit.scaled(ends), options["levels"], unit, 25)
    colours = colours_of(first.measure, edges, options["cmap"], log=first.scale == "log10")
    label = literal(unit.labelled(height_name(first)))
    return [ShownTopology(found, unit, label, edges, colours, options) for found in several]
