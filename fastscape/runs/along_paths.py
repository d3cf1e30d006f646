"""What lies along the paths that directions bring: the loss of each checkpoint, and that of the plane below it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fastscape.model import Problem
from fastscape.results import Trajectory
from fastscape.runs.backing import Backing
from fastscape.runs.preparation import Work
from fastscape.runs.request import Request
from fastscape.weights import Checkpoints, Space, dtype_of

__all__ = ["AlongPaths", "along_paths"]


@dataclass(frozen=True, eq=False)
class _Stop:
    """A point of a path at which two losses are evaluated."""

    path: int
    point: int
    checkpoints: Checkpoints


@dataclass(eq=False)
class AlongPaths:
    """Evaluates checkpoints and the plane below them, on one part of the samples after the other.

    Both are evaluated point by point, as a plain loop does. Of a checkpoint every tensor that was kept is its own;
    what was not kept is that of the model.

    Args:
        work: What is done.
        space: Where the points lie, in an order of the weights that stays.
        stops: Which points of which paths.
        backing: Of several processes the first one evaluates.
        progress: Whether to show a progress bar on a terminal.
    """

    work: Work
    space: Space
    stops: list[_Stop]
    backing: Backing
    progress: bool
    samples: int = 0
    sums: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((len(self.stops), 2))

    def over(self, parts: Iterator[Problem]) -> Iterator[Problem]:
        """Hands on the parts of the data, each of which is evaluated along the paths first.

        Args:
            parts: The problem with one part of the samples after the other.

        Yields:
            The same.
        """
        for part in parts:
            if self.backing.leads and self.stops and part.loss_samples:
                self.samples += part.loss_samples
                self._add(part)
            yield part

    def _add(self, part: Problem) -> None:
        shown = None if self.progress else True
        for row, stop in enumerate(tqdm(self.stops, desc="checkpoints", disable=shown, leave=False)):
            point = torch.from_numpy(self.space.paths[stop.path].points[stop.point].copy())[None]
            own = self._own(part, stop.checkpoints.tensors(stop.point))
            # What a checkpoint keeps is given at both evaluations: into a model that is lent nothing else is written.
            free = replace(part, still={name: tensor for name, tensor in part.still.items() if name not in own})
            below = {name: part.still[name] for name in own.keys() & part.still.keys()}
            for column, tensors in enumerate((own, below | self.space.at(point, part.place))):
                self.sums[row, column] += float(free.total(tensors, self.work.plan.microbatch)[0])

    def _own(self, part: Problem, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a checkpoint, as the problem has those of a point."""
        wanted, place = self.space.moving | set(part.still), part.place
        return {
            name: tensor.to(place.device, dtype_of(tensor, place.precision.weights))
            for name, tensor in kept.items()
            if name in wanted
        }

    @property
    def paths(self) -> list[Trajectory]:
        """The paths, with what was evaluated along them."""
        means = (self.sums / max(self.samples, 1)).tolist() if self.backing.leads else None
        if self.backing.ranks is not None and self.stops:
            means = self.backing.ranks.shared("along the paths", means)
        paths = list(self.space.paths)
        for k in {stop.path for stop in self.stops}:
            columns = np.full((2, len(paths[k])), np.nan)
            for stop, pair in zip(self.stops, means or (), strict=True):
                if stop.path == k:
                    columns[:, stop.point] = pair
            paths[k] = replace(paths[k], loss=columns[0], height=columns[1])
        return paths


def along_paths(request: Request, work: Work, backing: Backing) -> AlongPaths:
    """What is to be evaluated along the paths of a space.

    Args:
        request: What is asked for.
        work: What is to be done.
        backing: Store and processes.

    Returns:
        What evaluates it.
    """
    space, given = work.space, work.space.checkpoints
    stops = [
        _Stop(k, point, given[path.name])
        for k, path in enumerate(space.paths)
        if path.name in given
        for point in given[path.name].evaluated
    ]
    if stops and request.in_parts and isinstance(space.basis.vectors, Tensor):
        # The engine may lay the basis out anew after the first part.
        space = replace(space, basis=replace(space.basis, vectors=space.basis.vectors.clone()))
    return AlongPaths(work, space, stops, backing, request.options["progress"] is True)
