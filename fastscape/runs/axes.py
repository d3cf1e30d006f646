"""Chooses the ranges of axes that a call left open ("auto" and "path")."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from fastscape.engine import Plan, one_by_one
from fastscape.model import Problem
from fastscape.results import warn
from fastscape.runs.backing import Backing
from fastscape.runs.progress import Say, quiet
from fastscape.runs.store import known_reach
from fastscape.sampling import not_found, reach_of
from fastscape.weights import AlongPath, Auto, Axis, Grid, Space, axis

__all__ = ["chosen_axes"]

MARGIN = 0.15  # on either side of a path, as a fraction of its extent
LEAST = 0.4  # smallest extent of an axis, as a fraction of the longest extent


def chosen_axes(
    wanted: Mapping[str, Axis], problem: Problem, space: Space, plan: Plan, backing: Backing, say: Say = quiet
) -> tuple[Grid, dict[str, Any] | None, list[str]]:
    """Chooses the ranges that a call left open.

    A store keeps the ranges with which it was created, even if this machine would round differently. With several
    processes the first process chooses for all.

    Args:
        wanted: Coordinates by the name of the axis, or `Auto`.
        problem: What is evaluated; for data in parts the first part.
        space: The space of the points.
        plan: The plan; here points are evaluated one by one.
        backing: Store and processes.
        say: Is told what is done now. Default: nobody is.

    Returns:
        The grid; a `Reach` as plain values by the name of each axis that was left open, or None if no axis was; and
        the warnings.

    Raises:
        ValueError: When the losses cannot rise tenfold, see `reach_of`, or the first process was given numbers.
    """
    ranks, names = backing.ranks, [name for name, spec in wanted.items() if isinstance(spec, Auto)]
    reaches: dict[str, Any] = {}
    if names and backing.evaluates_first:
        kept = {} if backing.store is None else known_reach(backing.store.path)
        reaches = {name: kept[name] for name in names if name in kept}
        if missing := [name for name in names if name not in kept]:
            loss_at, places = _losses(problem, space, plan), list(wanted)
            along = {name: partial(_along, loss_at, places.index(name), len(wanted)) for name in missing}
            for name in missing:
                say(f"measuring the range of {name}")
                reaches[name] = reach_of(along[name], name)._asdict()
            say("")  # warnings are written where that was
    if ranks is not None:
        reaches = ranks.shared("reach", reaches)
        if reaches.keys() != set(names):
            raise ValueError(
                f"process {ranks.rank} of {ranks.size} has another x or y than process 0, 'auto' or not; give all the "
                "same"
            )
    axes = {}
    for name, spec in wanted.items():
        if isinstance(spec, Auto):
            reach = float(reaches[name]["reach"])
            axes[name] = axis(name, (-reach, reach, spec.count))
        elif isinstance(spec, AlongPath):
            axes[name] = axis(name, (*_around_paths(space, list(wanted).index(name)), spec.count))
        else:
            axes[name] = spec
    messages = [not_found(name, found["reach"]) for name, found in reaches.items() if not found["found"]]
    for message in messages:
        warn(message)
    return Grid(axes), reaches or None, messages


def _around_paths(space: Space, place: int) -> tuple[float, float]:
    """The range of an axis that holds the paths and marks of a space, with a margin."""
    places = [path.points for path in space.paths] + [np.array(list(space.marks.at.values()))]
    if not space.paths and len(space.marks.at) < 2:
        raise ValueError(
            "an axis is 'path', but the directions have no path; give some that do, for example "
            "fastscape.pca(checkpoints), or (start, stop, count)"
        )
    found = np.concatenate([points.reshape(-1, space.axes) for points in places])
    low, high = np.nanmin(found, axis=0), np.nanmax(found, axis=0)
    # An axis along which the path hardly moves still gets a width, so the picture is not a line.
    width = max(float((high - low)[place]) * (1 + 2 * MARGIN), float((high - low).max()) * LEAST) or 1.0
    middle = float((low + high)[place]) / 2
    return middle - width / 2, middle + width / 2


def _losses(problem: Problem, space: Space, plan: Plan) -> Callable[[tuple[float, ...]], float]:
    """A function that gives the loss at a grid point, evaluated by itself."""
    means = one_by_one(problem, space, plan)

    @cache  # the centre belongs to both axes
    def loss_at(point: tuple[float, ...]) -> float:
        points = torch.tensor([point], dtype=torch.float64, device="cpu")
        return float(means(points)[0, 0])

    return loss_at


def _along(loss_at: Callable[[tuple[float, ...]], float], place: int, axes: int, coordinate: float) -> float:
    """The loss at a coordinate of one axis, with 0 on all other axes."""
    return loss_at(tuple(coordinate if k == place else 0.0 for k in range(axes)))
