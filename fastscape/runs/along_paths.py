"""Evaluates the paths that come with directions: the loss of each checkpoint, and the loss of its projection."""

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
    """Evaluates checkpoints and their projections on the plane, on one part of the samples after the other.

    Both are evaluated point by point, as a plain loop does. A checkpoint uses its own tensors where it has them, and
    the model's tensors elsewhere.

    Args:
        work: The prepared work.
        space: The space of the points, with a fixed order of the weights.
        stops: The points of the paths to evaluate.
        backing: Store and processes; the first process evaluates.
        progress: Whether to show a progress bar on a terminal.
    """

    work: Work
    space: Space
    stops: list[_Stop]
    backing: Backing
    progress: bool
    samples: float = 0.0
    sums: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((len(self.stops), 2))

    def over(self, parts: Iterator[Problem]) -> Iterator[Problem]:
        """Passes on the parts of the data, after evaluating each part along the paths.

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
            # Both evaluations write the same tensors, the tensors of the checkpoint: nothing else is written into a
            # lent model.
            free = replace(part, still={name: tensor for name, tensor in part.still.items() if name not in own})
            below = {name: part.still[name] for name in own.keys() & part.still.keys()}
            for column, tensors in enumerate((own, below | self.space.at(point, part.place))):
                self.sums[row, column] += float(free.total(tensors, self.work.plan.microbatch)[0])

    def _own(self, part: Problem, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of a checkpoint, in the form in which the problem takes the tensors of a point."""
        wanted, place = self.space.moving | set(part.still), part.place
        return {
            name: tensor.to(place.device, dtype_of(tensor, place.precision.weights))
            for name, tensor in kept.items()
            if name in wanted
        }

    @property
    def paths(self) -> list[Trajectory]:
        """The paths, with the losses evaluated along them."""
        means = (self.sums / (self.samples or 1.0)).tolist() if self.backing.leads else None
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
    """The evaluation along the paths of a space, if there is any.

    Args:
        request: The request.
        work: The prepared work.
        backing: Store and processes.

    Returns:
        The object that evaluates it.
    """
    space, given = work.space, work.space.checkpoints
    stops = [
        _Stop(k, point, given[path.name])
        for k, path in enumerate(space.paths)
        if path.name in given
        for point in given[path.name].evaluated
    ]
    if stops and request.in_parts and isinstance(space.basis.vectors, Tensor):
        # The engine may change the memory layout of the basis after the first part.
        space = replace(space, basis=replace(space.basis, vectors=space.basis.vectors.clone()))
    return AlongPaths(work, space, stops, backing, request.options["progress"] is True)
