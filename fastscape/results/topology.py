"""The topology of a grid of values, as plain values: basins, holes, and the errors of their heights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from fastscape.results.features import Basin, Pair
from fastscape.results.formats import topologies
from fastscape.results.json_files import plain_json
from fastscape.results.regions import Extent, cell_sizes, extent_of, regions_below, whole

__all__ = ["TopologyValues"]

T = TypeVar("T", bound="TopologyValues")


@dataclass(frozen=True, eq=False, repr=False)
class TopologyValues:
    """The topology of the regions below a rising level, {height <= level}.

    A grid of points, connected along the axes, stands for the function: the lower-star filtration of the cubical
    complex whose vertices are the points. Arrays are frozen.

    Args:
        axes: Coordinates by the name of the axis, in the order of the grid's dimensions.
        measure: The measure of the heights: "loss" or the name of a metric.
        scale: "log10" if heights are log10 of the measure, else "linear".
        heights: The heights [H, W, ...]; NaN outside, that is if the measure is not finite.
        labels: The number of the basin that each point drains into [H, W, ...]; -1 outside.
        pairs: Every feature of positive persistence in the requested dimensions: by dimension, then the most
            persistent first.
        basins: The basins deeper than the threshold, the lowest minimum first. A shallower basin counts to the basin
            across its saddle.
        errors: Half-widths of the band that holds the heights, by their source, in heights: "samples", "directions",
            "interpolation", or "given". Unknown errors are left out.
        threshold: The depth up to which basins do not count, in heights.
        report: The report of the landscape, with "topology" for the options of the call.

    Raises:
        ValueError: When shapes, scale or numbers do not fit each other.
    """

    axes: Mapping[str, np.ndarray]
    measure: str
    scale: str
    heights: np.ndarray
    labels: np.ndarray
    pairs: tuple[Pair, ...]
    basins: tuple[Basin, ...]
    errors: Mapping[str, float] = field(default_factory=dict)
    threshold: float = 0.0
    report: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        axes = {name: _frozen(axis, np.float64) for name, axis in self.axes.items()}
        settled = {"axes": MappingProxyType(axes), "heights": _frozen(self.heights, np.float64)}
        settled |= {"labels": _frozen(self.labels, np.int64), "pairs": tuple(self.pairs), "basins": tuple(self.basins)}
        settled |= {name: MappingProxyType(dict(getattr(self, name))) for name in ("errors", "report")}
        for name, value in settled.items():
            object.__setattr__(self, name, value)
        shape = tuple(map(len, axes.values()))
        if not self.heights.shape == self.labels.shape == shape:
            raise ValueError(
                f"heights and labels must have shape {shape}, the lengths of the axes, got {self.heights.shape} and "
                f"{self.labels.shape}"
            )
        if self.scale not in ("log10", "linear"):
            raise ValueError(f"scale must be 'log10' or 'linear', got {self.scale!r:.80}")
        numbers = [*self.errors.values(), self.threshold]
        if not all(isinstance(number, int | float) and 0 <= number < math.inf for number in numbers):
            raise ValueError(f"errors and threshold must be finite numbers of at least 0, got {numbers!r:.200}")

    def __repr__(self) -> str:
        name = f"log10 {self.measure}" if self.scale == "log10" else self.measure
        points = " x ".join(map(str, self.heights.shape))
        certain = sum(basin.certain for basin in self.basins)
        basins = "1 basin" if len(self.basins) == 1 else f"{len(self.basins)} basins"
        return f"{type(self).__name__}({name}, {points} points, {basins}, {certain} of them certain)"

    @property
    def error(self) -> float:
        """Half-width of the band, in heights: the sum over its sources.

        If two functions differ by at most this error everywhere, their features can be paired so that births and
        deaths differ by at most the error. Features without a partner have a persistence of at most twice the error
        (stability theorem of Cohen-Steiner, Edelsbrunner and Harer 2007).
        """
        return float(sum(self.errors.values()))

    @property
    def marks(self) -> dict[str, tuple[float, ...]]:
        """The coordinates of models, by name. See `Values.marks`."""
        return {name: tuple(at) for name, at in self.report.get("marks", {}).items()}

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The dimensions of the pairs."""
        asked = self.report.get("topology", {}).get("dimensions")
        return tuple(sorted({pair.dimension for pair in self.pairs})) if asked is None else tuple(asked)

    def diagram(self, dimension: int = 0) -> np.ndarray:
        """The persistence diagram of a dimension.

        Args:
            dimension: The dimension of the pairs. Default 0.

        Returns:
            Birth and death of each pair [n, 2], in heights, the most persistent first; a death may be infinite.

        Raises:
            ValueError: When the pairs of this dimension were not requested.
        """
        if dimension not in self.dimensions:
            known = ", ".join(map(str, self.dimensions))
            raise ValueError(
                f"dimension={dimension!r:.80} came, and the pairs are of {known or 'no dimension'}; compute them with "
                f"dimensions=(0, 1)"
            )
        found = [(pair.birth, pair.death) for pair in self.pairs if pair.dimension == dimension]
        return np.array(found, dtype=np.float64).reshape(-1, 2)

    def coordinates(self, at: tuple[int, ...]) -> tuple[float, ...]:
        """The coordinates of a point of the grid.

        Args:
            at: Its grid index, for example the index of a basin's minimum.

        Returns:
            Its coordinate along each axis.

        Raises:
            TypeError: When `at` is no index with a number for each axis.
        """
        if not isinstance(at, Sequence | np.ndarray) or len(at) != len(self.axes):
            raise TypeError(
                f"at must be the grid index of a point, a number for each of {', '.join(self.axes)}, got {at!r:.80}; "
                "for example found.basins[0].at, a minimum"
            )
        return tuple(float(axis[k]) for axis, k in zip(self.axes.values(), at, strict=True))

    def volume(self, level: float | None = None) -> np.ndarray:
        """The volume of the basins below a level.

        The region of a basin is the connected part of {height <= level} that contains its minimum. If the level is at
        or above the saddle, it is the part of {height < saddle}: a region ends where it meets a deeper region. A
        point counts with its cell, which reaches half-way to both neighbours and ends at the ends of an axis.

        Args:
            level: The level, in heights. Default: for each basin its saddle. A basin that joins no other basin takes
                the saddle of the most persistent basin that joins it, or everything connected with it if none does.

        Returns:
            The volume of every basin [B], in the product of the units of the axes: the length of an interval, an
            area, and so on. 0 if the minimum is above the level.
        """
        return np.array([extent.volume for extent in self._extents(level)])

    def width(self, level: float | None = None) -> np.ndarray:
        """The width of the basins below a level, along each axis.

        Args:
            level: As for `volume`.

        Returns:
            The distance from the first to the last cell of the region of each basin, along each axis in its unit
            [B, axes]. It is the width of the box around the region, which is larger for an oblique region.
        """
        found = [extent.width for extent in self._extents(level)]
        return np.array(found, dtype=np.float64).reshape(len(self.basins), len(self.axes))

    def share(self, level: float | None = None) -> np.ndarray:
        """The share of the whole grid that the basins have below a level.

        Args:
            level: As for `volume`.

        Returns:
            The volume of every basin divided by the volume of all cells, including cells outside [B].
        """
        with np.errstate(invalid="ignore"):  # if both are infinite
            return self.volume(level) / whole(cell_sizes(self.axes))

    def _extents(self, level: float | None) -> list[Extent]:
        if level is None:
            return [basin.extent for basin in self.basins]
        if not isinstance(level, int | float) or math.isnan(level):
            raise ValueError(f"level must be a height, got {level!r:.80}; for example level=0.5")
        own = [basin for basin in self.basins if basin.joins is None or level < basin.saddle]
        regions = regions_below(self.heights, level, [basin.at for basin in own])
        cells, found = cell_sizes(self.axes), {basin.number: basin.extent for basin in self.basins}
        for basin, region in zip(own, regions, strict=True):
            found[basin.number] = extent_of(basin.points, float(level), region, cells)
        return list(found.values())

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values: dictionaries, lists, numbers and texts; None if infinite or outside."""
        return {
            "axes": {name: axis.tolist() for name, axis in self.axes.items()},
            "measure": self.measure,
            "scale": self.scale,
            "heights": plain_json(self.heights.tolist()),
            "labels": self.labels.tolist(),
            "pairs": [plain_json(pair._asdict()) for pair in self.pairs],
            "basins": [
                plain_json({**basin._asdict(), "extent": basin.extent._asdict(), "depth": basin.depth})
                for basin in self.basins
            ],
            "error": self.error,
            "errors": dict(self.errors),
            "threshold": self.threshold,
            "report": dict(self.report),
        }

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes everything to one file, without pickle, whole or not at all.

        Args:
            path: A file name that ends in .npz. Missing folders are created.

        Returns:
            The path.

        Raises:
            OSError: When the file cannot be written.
            ValueError: When the name has a different ending.
        """
        return topologies.saved(vars(self), Path(path))

    @classmethod
    def load(cls: type[T], path: str | os.PathLike[str]) -> T:
        """Reads what `save` wrote. Nothing is executed.

        Args:
            path: The file.

        Returns:
            The topology, bit for bit.

        Raises:
            OSError: When the file does not exist, or cannot be read.
            ValueError: When the file is damaged, or holds no topology; the error names the file.
        """
        return topologies.read(Path(path), cls)


def _frozen(array: Any, dtype: Any) -> np.ndarray:
    made = np.array(array, dtype=dtype)
    made.setflags(write=False)
    return made
