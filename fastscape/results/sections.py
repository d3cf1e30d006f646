"""Makes landscapes of fewer axes: slices at a coordinate, and projections along axes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from fastscape.results.repeats import direction_error_said
from fastscape.results.shares import SHARES
from fastscape.results.trajectory import Trajectory
from fastscape.results.values import V, Values

__all__ = ["SECTIONS", "How", "projection_of", "slice_of"]

SECTIONS = "sections"
"""The key of a report under which it lists the slices and projections, in the order in which they were made."""

How = Literal["min", "mean"]


def slice_of(landscape: V, at: Mapping[str, float]) -> V:
    """The part of a landscape at given values of some of its coordinates.

    The slice is at the grid coordinate nearest to the given coordinate of each named axis. So every value is a value
    of the landscape: nothing is interpolated, and NaN stays.

    Args:
        landscape: The landscape.
        at: Coordinates by the name of the axis, within the axis.

    Returns:
        The landscape of the remaining axes, which keep their names. `sections[-1]` of its report gives the
        coordinates of the slice (`at`) and the given coordinates (`asked`). Models outside the slice are not marked.
        A path stays if it is in the slice. It also stays if its distances are known, as the path of the nearest
        points of the slice.

    Raises:
        TypeError: When a coordinate is no number.
        ValueError: When no axis is named, no axis is left, a name is no axis, or a coordinate is beyond its axis.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, slice_of
        >>> axis = np.array([-1.0, 0.0, 1.0])
        >>> made = Values({"x": axis, "y": axis, "z": axis}, {"loss": np.arange(27.0).reshape(3, 3, 3)})
        >>> part = slice_of(made, {"y": 0.9})
        >>> list(part.axes), part.loss[0].tolist(), part.report["sections"][-1]["at"]
        (['x', 'z'], [6.0, 7.0, 8.0], {'y': 1.0})
    """
    _check_named(landscape, list(at), "slice(z=0.0)", "landscape.loss[i, j, k]")
    places = {name: _nearest(name, landscape.axes[name], coordinate) for name, coordinate in at.items()}
    chosen = {name: float(landscape.axes[name][place]) for name, place in places.items()}
    cut = tuple(places.get(name, slice(None)) for name in landscape.axes)

    def taken(grid: np.ndarray) -> np.ndarray:
        return grid[(..., *cut)].copy()

    marks = {
        name: _left(landscape, place, at)
        for name, place in landscape.marks.items()
        if all(dict(zip(landscape.axes, place, strict=True))[axis] == value for axis, value in chosen.items())
    }
    paths = [path for path in (_sliced_path(landscape, one, chosen) for one in landscape.paths) if path is not None]
    said = {"kind": "slice", "at": chosen, "asked": {name: float(value) for name, value in at.items()}}
    return _section(landscape, list(at), taken, said, marks=marks, paths=paths)


def projection_of(landscape: V, along: Sequence[str], how: How = "min") -> V:
    """A projection of a landscape along some of its axes: the smallest loss, or the mean.

    "min" takes, at each point of the remaining axes, the point along the removed axes with the smallest finite loss.
    If no loss there is finite, the result is infinite, or NaN if all losses are NaN. Every measure, the standard error
    and the values along single random directions are taken at that one point, so they belong to one model. The
    smallest of several losses over a draw of samples is a little too low.

    "mean" is the mean of each measure over the range of the axes, by the trapezoidal rule,

        mean = sum_k v_k (z[k+1] - z[k-1]) / 2 / (z[n-1] - z[0]),   with z[-1] = z[0] and z[n] = z[n-1],

    so that it depends on the range and not on how the coordinates are spread. NaN and infinite values stay.

    Args:
        landscape: The landscape.
        along: The names of the axes to remove.
        how: "min" or "mean". Default "min".

    Returns:
        The landscape of the remaining axes, which keep their names. `sections[-1]` of its report describes the
        projection, for "min" also at how many points a loss that is not finite was skipped. A point counts as
        evaluated if the point of the smallest loss was, or if all points of the mean were. The standard error of a
        mean is not known, as the losses at several points are over the same samples.
        Marks and paths are projected.

    Raises:
        ValueError: When no axis is named, no axis is left, a name is no axis, or `how` is unknown.

    Example:
        >>> import numpy as np
        >>> from fastscape.results import Values, projection_of
        >>> axis = np.array([-1.0, 0.0, 1.0])
        >>> made = Values({"x": axis, "y": axis}, {"loss": np.array([[4.0, 3.0, 5.0], [1.0, np.nan, 0.0], [2.0] * 3])})
        >>> projection_of(made, ["y"]).loss.tolist(), projection_of(made, ["y"], "mean").loss.tolist()
        ([3.0, 0.0, 2.0], [3.75, nan, 2.0])
    """
    _check_named(landscape, along, 'project("z")', "landscape.loss.min()")
    if how not in ("min", "mean"):
        raise ValueError(f"how must be 'min' or 'mean', got {how!r:.80}")
    ranges = {name: [float(landscape.axes[name].min()), float(landscape.axes[name].max())] for name in along}
    said: dict[str, Any] = {"kind": "projection", "along": list(along), "how": how, "range": ranges}
    gone = tuple(list(landscape.axes).index(name) - len(landscape.axes) for name in along)
    if how == "min":
        place, said["not_finite"] = _smallest(_last(landscape.loss, gone))

        def taken(grid: np.ndarray) -> np.ndarray:
            flat = _last(grid, gone)
            return np.take_along_axis(flat, np.broadcast_to(place, flat.shape[:-1])[..., None], axis=-1)[..., 0]

    else:
        weights = _weights([landscape.axes[name] for name in along])

        def taken(grid: np.ndarray) -> np.ndarray:
            flat = _last(grid, gone)
            if grid.dtype == np.bool_:
                return np.asarray(flat.all(axis=-1))
            with np.errstate(invalid="ignore", over="ignore"):
                return np.asarray((flat * weights).sum(axis=-1))

    marks = {name: _left(landscape, at, along) for name, at in landscape.marks.items()}
    paths = [replace(path, points=_points_left(landscape, path, along), height=None) for path in landscape.paths]
    points = math.prod(len(landscape.axes[name]) for name in along)
    return _section(landscape, along, taken, said, marks=marks, paths=paths, one=how == "min" or points == 1)


def _check_named(landscape: Values, names: Sequence[str], call: str, value: str) -> None:
    if not names:
        raise ValueError(
            f"one axis is needed, got none; write one of {', '.join(landscape.axes)}, for example landscape.{call}"
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"an axis must be one of {', '.join(landscape.axes)}, got {name!r:.80}; for example landscape.{call}; "
                "write several one after the other"
            )
        if name not in landscape.axes:
            raise ValueError(f"there is no axis {name!r:.80}; this landscape has {', '.join(landscape.axes)}")
    if len(set(names)) != len(names):
        raise ValueError(f"an axis came twice in {', '.join(names):.200}; name each of them once")
    if len(names) == len(landscape.axes):
        raise ValueError(f"all axes came, {', '.join(landscape.axes)}, and none would be left; write {value}")


def _nearest(name: str, axis: np.ndarray, coordinate: Any) -> int:
    """The number of the axis coordinate that is nearest to a coordinate within the axis."""
    if isinstance(coordinate, bool) or not isinstance(coordinate, numbers.Real):
        raise TypeError(f"{name} must be a coordinate, got {coordinate!r:.80}; for example {name}=0.0")
    if not axis.min() <= float(coordinate) <= axis.max():  # refuses NaN too
        raise ValueError(
            f"{name}={float(coordinate):g} lies beyond the axis {name}, which goes from {axis.min():g} to "
            f"{axis.max():g}; give a coordinate within it"
        )
    return int(np.abs(axis - float(coordinate)).argmin())


def _last(grid: np.ndarray, gone: Sequence[int]) -> np.ndarray:
    """A grid [..., H, W, ...] whose removed axes are joined into one, the last axis."""
    moved = np.moveaxis(grid, gone, range(-len(gone), 0))
    return moved.reshape(*moved.shape[: -len(gone)], -1)


def _smallest(flat: np.ndarray) -> tuple[np.ndarray, int]:
    """The place of the smallest value of each row [..., n], and how many values were skipped."""
    finite = np.isfinite(flat)
    nowhere = ~finite.any(axis=-1)
    found = np.where(finite, flat, np.inf).argmin(axis=-1)
    infinite = np.where(np.isnan(flat), 2.0, np.sign(flat)).argmin(axis=-1)  # -inf before inf before NaN
    return np.where(nowhere, infinite, found), int((~finite & ~nowhere[..., None]).sum())


def _weights(axes: Sequence[np.ndarray]) -> np.ndarray:
    """The share of each point in a mean over the range of some axes, in the order of `_last`."""
    whole = np.ones(1)
    for axis in axes:
        order = np.argsort(axis)
        ends = np.pad(axis[order], 1, mode="edge")
        share = np.ones(1) if len(axis) == 1 else (ends[2:] - ends[:-2]) / 2 / np.ptp(axis)
        own = np.empty(len(axis))
        own[order] = share
        whole = np.multiply.outer(whole, own).ravel()
    return whole


def _kept(landscape: Values, gone: Sequence[str]) -> list[int]:
    """The numbers of the remaining axes."""
    return [k for k, name in enumerate(landscape.axes) if name not in gone]


def _left(landscape: Values, at: Sequence[float], gone: Sequence[str] | Mapping[str, Any]) -> list[float]:
    return [float(at[k]) for k in _kept(landscape, list(gone))]


def _points_left(landscape: Values, path: Trajectory, gone: Sequence[str]) -> np.ndarray:
    points: np.ndarray = path.points[:, _kept(landscape, gone)]
    return points


def _sliced_path(landscape: Values, path: Trajectory, chosen: Mapping[str, float]) -> Trajectory | None:
    """A path in a slice; None if its distance from the slice is unknown."""
    names = list(landscape.axes)
    beside = np.stack([path.points[:, names.index(name)] - value for name, value in chosen.items()], axis=1)
    points = _points_left(landscape, path, list(chosen))
    if not beside.any():
        return replace(path, points=points)
    if path.off_plane is None or not landscape.orthonormal:
        return None
    off = np.sqrt(np.square(path.off_plane) + np.square(beside).sum(axis=1))
    return replace(path, points=points, off_plane=off, height=None)


def _section(
    landscape: V,
    gone: Sequence[str],
    taken: Callable[[np.ndarray], np.ndarray],
    said: dict[str, Any],
    *,
    marks: Mapping[str, Sequence[float]],
    paths: Sequence[Trajectory],
    one: bool = True,
) -> V:
    """The landscape of the remaining axes.

    Args:
        landscape: The whole landscape.
        gone: The names of the removed axes.
        taken: Maps a grid [..., H, W, ...], of numbers or booleans, to the grid of the remaining axes.
        said: The entry of the report for this section.
        marks: The remaining models, at their new places.
        paths: The remaining paths.
        one: Whether every value is the value at one point. Default True.

    Returns:
        The landscape.
    """
    kept, names = _kept(landscape, gone), list(landscape.axes)
    error = None if landscape.standard_error is None or not one else taken(landscape.standard_error)
    repeats = {name: taken(stack) for name, stack in landscape.repeats.items()}
    measures = {name: taken(grid) for name, grid in landscape.measures.items()}
    if not one:  # the spread of means is no mean of spreads
        for name, stack in repeats.items():
            if f"spread of {name}" in measures and f"spread of {name}" not in repeats:
                with np.errstate(invalid="ignore", over="ignore"):
                    measures[f"spread of {name}"] = stack.std(axis=0, ddof=1)
    report = dict(landscape.report)
    left_out = [name for name in landscape.marks if name not in marks]
    left_out += [path.name for path in landscape.paths if path.name not in {left.name for left in paths}]
    said |= {"axes": [names[k] for k in kept], "left_out": left_out}
    if "refinement" in report:  # of the whole grid; its errors are fractions of the whole grid's ranges
        said |= {"refinement": report.pop("refinement"), "spans": _spans(landscape)}
    report[SECTIONS] = [*report.get(SECTIONS, []), said]
    labels = landscape.labels
    report["labels"] = [str(labels[names[k]]) for k in kept]
    report["marks"] = {name: list(at) for name, at in marks.items()}
    report["paths"] = [path.as_plain() for path in paths]
    report |= _facts(report, kept, measures, error)
    if not one:
        report.pop(SHARES, None)
    axes = {names[k]: landscape.axes[names[k]] for k in kept}
    made = landscape.keeping(axes, measures, report, error, taken(landscape.evaluated), repeats)
    if "direction_error" in report and repeats:
        made = made.with_report({**report, "direction_error": direction_error_said(made)})
    return made


def _spans(landscape: Values) -> dict[str, float]:
    """The range of each measure with finite values, on the scale of the tolerance."""
    refinement, spans = landscape.report["refinement"], {}
    for name, grid in landscape.measures.items():
        finite = grid[np.isfinite(grid)]
        if name == "loss" and isinstance(refinement, Mapping) and refinement.get("scale") == "log10":
            finite = np.log10(finite[finite > 0])
        if finite.size:
            spans[name] = float(np.ptp(finite))
    return spans


def _facts(
    report: Mapping[str, Any], kept: Sequence[int], measures: Mapping[str, np.ndarray], error: np.ndarray | None
) -> dict[str, Any]:
    """The entries of a report about values and axes, for the remaining axes."""
    found: dict[str, Any] = {}
    plane = report.get("plane")
    if isinstance(plane, Mapping):
        shares = plane.get("explained")
        found["plane"] = {name: fact for name, fact in plane.items() if name != "explained"}
        if isinstance(shares, list) and len(shares) > max(kept):
            found["plane"]["explained"] = [shares[k] for k in kept]
    if "not_finite" in report:
        found["not_finite"] = {
            name: {"nan": int(np.isnan(grid).sum()), "inf": int(np.isinf(grid).sum())}
            for name, grid in measures.items()
        }
    if isinstance(said := report.get("standard_error"), Mapping):
        known = np.empty(0) if error is None else error[np.isfinite(error)]
        both = (float(np.median(known)), float(known.max())) if known.size else (None, None)
        found["standard_error"] = {**said, "median": both[0], "largest": both[1]}
    return found
