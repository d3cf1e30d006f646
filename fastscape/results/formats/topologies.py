"""Reads and writes the file of a topology: one .npz without pickle. Reading computes again what follows from heights.

header              JSON: format, version, names, scale, errors, threshold, report
axis_0, axis_1, ... coordinates of each axis
heights, labels     of the grid [H, W, ...]
pairs               dimension, point of birth and of death [n, 3], as numbers of the flat grid; -1 for none
basins              minimum, saddle, and the basin that it joins [B, 3], alike
extents             level, volume and widths [B, 2 + axes]
measures            values at the minima [measures, B]
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fastscape.results.atomic import write_whole
from fastscape.results.checks import check_axis, check_depth, check_report, parsed, report_in
from fastscape.results.features import Basin, Pair
from fastscape.results.formats.columns import by_name
from fastscape.results.formats.npz import Parts, read_parts
from fastscape.results.regions import Extent, at_edge

__all__ = ["read", "saved"]

T = TypeVar("T")

FORMAT, VERSION = "fastscape-topology", 1


def saved(fields: Mapping[str, Any], path: Path) -> Path:
    """Writes a topology, whole or not at all.

    Args:
        fields: The fields of `TopologyValues`, by name.
        path: A file name that ends in .npz.

    Returns:
        The path.

    Raises:
        OSError: When the file cannot be written.
        ValueError: When the name has a different ending.
    """
    if path.suffix != ".npz":
        raise ValueError(f"the name of a topology's file must end in .npz, got {path.name!r:.200}")
    axes, pairs, basins, shape = fields["axes"], fields["pairs"], fields["basins"], fields["heights"].shape
    names = list(basins[0].measures) if basins else []
    arrays: dict[str, Any] = {f"axis_{k}": axis for k, axis in enumerate(axes.values())}
    arrays |= {"heights": fields["heights"], "labels": fields["labels"]}
    ends = [(pair.dimension, _flat(pair.birth_at, shape), _flat(pair.death_at, shape)) for pair in pairs]
    places = [(_flat(b.at, shape), _flat(b.saddle_at, shape), -1 if b.joins is None else b.joins) for b in basins]
    sizes = [(basin.extent.level, basin.extent.volume, *basin.extent.width) for basin in basins]
    found = [[basin.measures[name] for basin in basins] for name in names]
    arrays["pairs"] = np.array(ends, dtype=np.int64).reshape(-1, 3)
    arrays["basins"] = np.array(places, dtype=np.int64).reshape(-1, 3)
    arrays["extents"] = np.array(sizes, dtype=np.float64).reshape(-1, 2 + len(shape))
    arrays["measures"] = np.array(found, dtype=np.float64).reshape(len(names), len(basins))
    header = {"format": FORMAT, "version": VERSION, "axes": list(axes), "shape": shape, "measures": names}
    header |= {"counts": [len(pairs), len(basins)], "errors": dict(fields["errors"]), "report": dict(fields["report"])}
    header |= {name: fields[name] for name in ("measure", "scale", "threshold")}
    content = io.BytesIO()
    np.savez(content, header=np.array(json.dumps(header)), **arrays)
    write_whole(path, content.getvalue())
    return path


def read(path: Path, made: Callable[..., T]) -> T:
    """Reads a file that `saved` made. Declared sizes are compared with the content.

    Args:
        path: The file.
        made: The class, which takes the arguments of `TopologyValues` by name.

    Returns:
        The topology.

    Raises:
        OSError: When the file does not exist, or cannot be read.
        ValueError: When the file is damaged, or is no topology.
    """
    return read_parts(path, lambda parts: made(**_values(parts)), "topology", "Topology.save")


def _values(parts: Parts) -> dict[str, Any]:
    header = parsed(str(parts.array("header", "U", ())))
    if header["format"] != FORMAT or header["version"] != VERSION:
        reader = ", which Landscape.load reads" if header["format"] == "fastscape-landscape" else ""
        raise ValueError(f"its header says {header['format']!r}, version {header['version']!r}{reader}")
    names = header["axes"]
    wanted = {"header", "heights", "labels", "pairs", "basins", "extents", "measures"}
    if parts.sizes.keys() != wanted | {f"axis_{k}" for k in range(len(names))}:
        raise ValueError(f"its parts are not those that were written: {', '.join(sorted(parts.sizes))}")
    axes = by_name((name, parts.array(f"axis_{k}", "f")) for k, name in enumerate(names))
    shape, report = tuple(map(len, axes.values())), report_in(header["report"])
    if header["shape"] != list(shape):
        raise ValueError(f"its axes have the lengths {shape}; its header says {header['shape']!r}")
    for name, axis in axes.items():
        check_axis(_text(name), axis)
    check_depth(report)
    check_report(report, len(axes))
    (pairs, basins), measures = map(_count, header["counts"]), header["measures"]
    if basins > math.prod(shape) or pairs > 2 ** len(shape) * math.prod(shape):  # each pair ends with a cell
        raise ValueError(f"its header says {header['counts']!r} pairs and basins, more than the grid can have")
    heights, labels = parts.array("heights", "f", shape), parts.array("labels", "i", shape)
    if np.isinf(heights).any() or (np.isnan(heights) != (labels < 0)).any():
        raise ValueError("its labels are not those of its heights")
    errors = {_text(name): _number(error) for name, error in header["errors"].items()}
    found = parts.array("pairs", "i", (pairs, 3))
    places = parts.array("basins", "i", (basins, 3))
    _check_basins(places, heights, labels)
    grids = by_name(zip(map(_text, measures), parts.array("measures", "f", (len(measures), basins)), strict=True))
    made: dict[str, Any] = {"axes": axes, "measure": _text(header["measure"]), "scale": header["scale"]}
    made |= {"heights": heights, "labels": labels, "pairs": _pairs(found, heights, report)}
    made |= {"errors": errors, "threshold": _number(header["threshold"]), "report": report}
    sizes = parts.array("extents", "f", (basins, 2 + len(shape)))
    return made | {"basins": _basins(places, sizes, grids, made)}


def _pairs(found: np.ndarray, heights: np.ndarray, report: Mapping[str, Any]) -> tuple[Pair, ...]:
    """The pairs, each with a death above its birth."""
    dimensions, births, deaths = found.T
    asked, flat = report["topology"]["dimensions"], heights.ravel()
    if not isinstance(asked, list) or not all(type(d) is int and 0 <= d < heights.ndim for d in asked):
        raise ValueError(f"its report has the dimensions {asked!r}")
    if not np.isin(dimensions, asked).all():
        raise ValueError("a pair is of a dimension that was not asked for")
    if (births < 0).any() or (deaths < -1).any() or (found[:, 1:] >= flat.size).any():
        raise ValueError("a pair is of points that the grid does not have")
    begun, ended = flat[births], np.where(deaths < 0, np.inf, flat[deaths])
    if not (begun < ended).all():
        raise ValueError("a pair ends before it begins")
    at, gone = _places(births, heights.shape), _places(deaths, heights.shape)
    return tuple(map(Pair, dimensions.tolist(), begun.tolist(), ended.tolist(), at, gone))


def _check_basins(places: np.ndarray, heights: np.ndarray, labels: np.ndarray) -> None:
    """Refuses basins whose parts do not fit each other."""
    (at, saddles, joins), numbers = places.T, np.arange(len(places))
    if not len(places) or labels.max() >= len(places) or labels.min() < -1:
        raise ValueError("its labels name basins that it does not have")
    if (at < 0).any() or (saddles < -1).any() or (places[:, :2] >= heights.size).any():
        raise ValueError("a basin is of points that the grid does not have")
    if (labels.ravel()[at] != numbers).any() or (joins < -1).any() or (joins >= numbers).any():
        raise ValueError("the number of a basin, or of the basin that it joins, is wrong")
    minima, passes = heights.ravel()[at], np.where(saddles < 0, np.inf, heights.ravel()[saddles])
    if ((saddles < 0) != (joins < 0)).any() or not (minima < passes).all() or (np.diff(minima) < 0).any():
        raise ValueError("a basin lies above its saddle, or below one that comes before it")


def _basins(
    places: np.ndarray, sizes: np.ndarray, grids: Mapping[str, np.ndarray], made: Mapping[str, Any]
) -> tuple[Basin, ...]:
    heights, (at, saddles, joins) = made["heights"], places.T
    counts = np.bincount(made["labels"][made["labels"] >= 0], minlength=len(places))
    error, found = float(sum(made["errors"].values())), []
    minima, passes = _places(at, heights.shape), _places(saddles, heights.shape)
    for number, (low, high, parent) in enumerate(zip(minima, passes, joins.tolist(), strict=True)):
        assert low is not None
        level, volume, *width = sizes[number].tolist()
        lowest, saddle = float(heights[low]), math.inf if high is None else float(heights[high])
        extent = Extent(int(counts[number]), level, volume, tuple(width))
        values = {name: float(grid[number]) for name, grid in grids.items()}
        found.append(
            Basin(
                number, low, lowest, high, saddle, None if parent < 0 else parent, saddle - lowest > 2 * error,
                at_edge(heights, low), extent, values,
            )
        )  # fmt: skip
    return tuple(found)


def _places(flat: np.ndarray, shape: tuple[int, ...]) -> list[Any]:
    """Grid indices of points of the flat grid; None for -1."""
    indices = np.stack(np.unravel_index(np.maximum(flat, 0), shape), axis=1).tolist()
    return [None if k < 0 else tuple(index) for k, index in zip(flat.tolist(), indices, strict=True)]


def _flat(at: tuple[int, ...] | None, shape: tuple[int, ...]) -> int:
    return -1 if at is None else int(np.ravel_multi_index(at, shape))


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise ValueError(f"a name must be text, got {given!r:.80}")
    return given


def _count(given: Any) -> int:
    if type(given) is not int or given < 0:
        raise ValueError(f"a count must be a whole number, got {given!r:.80}")
    return given


def _number(given: Any) -> float:
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise ValueError(f"a height must be a number, got {given!r:.80}")
    return given
