"""Evaluates losses along several directions at once, with the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fastscape.curvature import Cost
from fastscape.engine import Comparison, Evaluator, Plan, plan_fitted_on_gpu
from fastscape.runs.single_point import Point
from fastscape.weights import Basis, Scheme, Space

__all__ = ["AlongDirections", "losses_along"]

MEMORY = 256 << 20
"""Largest number of bytes of directions in memory at once."""

Writer = Callable[[int, Tensor], None]


@dataclass(eq=False)
class AlongDirections:
    """The mean losses along some directions.

    The directions form one basis with the model, and each point is the model plus a multiple of one direction. If not
    all directions fit into memory, they are written block by block, with the plan found for the first block.

    Args:
        point: The model.
        count: Number of directions.
        write: Writes direction k to a row [P].
        cost: Counts the evaluations.
        plan: A plan found for other directions. Default: none.
        own_space: The space of a single direction that is not in memory. Default: directions are written.
    """

    point: Point
    count: int
    write: Writer
    cost: Cost
    plan: Plan | None = None
    own_space: Space | None = None
    _kept: Evaluator | None = field(default=None, init=False)

    @property
    def block(self) -> int:
        """Number of directions in memory at once."""
        row = self.point.layout.size * self.point.work.problem.place.precision.basis.itemsize
        return max(min(self.count, MEMORY // row), 1)

    def at(self, distances: Sequence[float]) -> np.ndarray:
        """The losses [distances, directions] at multiples of the directions, float64."""
        found = []
        for first in range(0, self.count, self.block):
            members = min(self.block, self.count - first)
            points = torch.cat(
                [distance * torch.eye(members, dtype=torch.float64, device="cpu") for distance in distances]
            )
            evaluator = self._kept or self._evaluator(first, members)
            whole = members == self.count
            try:
                sums = self._sums(evaluator, points)
            finally:
                if not whole:
                    evaluator.close()
            self._kept = evaluator if whole else None
            found.append((sums[:, 0] / self.point.problem.size).reshape(len(distances), members).numpy())
        self.cost.evaluations += len(distances) * self.count
        return np.concatenate(found, axis=1)

    def means(self, which: np.ndarray, distances: np.ndarray) -> np.ndarray:
        """The means over the samples at points, each along one of the directions.

        Args:
            which: The number of the direction of each point [n]. All of them must be in memory, see `block`.
            distances: Distance of each point along its direction [n].

        Returns:
            Means [n, measures], float64, of all measures of the problem.
        """
        points = torch.zeros(len(which), self.count, dtype=torch.float64, device="cpu")
        points[np.arange(len(which)), which] = torch.from_numpy(distances)
        self._kept = self._kept or self._evaluator(0, self.count)
        sums = self._sums(self._kept, points)
        self.cost.evaluations += len(which)
        return (sums / self.point.work.problem.counts).numpy()

    def close(self) -> None:
        """Closes the evaluator."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def _sums(self, evaluator: Evaluator, points: Tensor) -> Tensor:
        """The sums [points, measures], on the CPU."""
        sums: list[Tensor] = []
        if self.plan is None:
            planned = evaluator.planned(points, lambda _: None) if self.point.auto else torch.empty(0)
            sums = [planned] if len(planned) else []
        done = sum(map(len, sums))
        while done < len(points):
            sums.append(evaluator.sums(points[done : done + evaluator.plan.chunk]).cpu())
            done += len(sums[-1])
        self.plan = evaluator.plan
        return torch.cat(sums)

    def _evaluator(self, first: int, members: int) -> Evaluator:
        """The evaluator of points along a block of the directions."""
        point, work = self.point, self.point.work
        problem = work.problem
        plan = self.plan or work.plan
        if self.plan is None and point.auto:
            plan = plan_fitted_on_gpu(plan, problem, 2 * members) or plan
        space = self.own_space or self._space(first, members)
        compared = Comparison(work.plan.microbatch) if point.report["deterministic"] else None
        evaluator = Evaluator(space, plan, auto=point.auto, recut=work.recut, comparison=compared)
        evaluator.exchange(problem)
        return evaluator

    def _space(self, first: int, members: int) -> Space:
        """The space of a block of the directions."""
        point, place = self.point, self.point.work.problem.place
        vectors = torch.zeros(1 + members, point.layout.size, dtype=place.precision.basis, device=place.device)
        vectors[0] = point.work.space.basis.theta
        for k in range(members):
            self.write(first + k, vectors[1 + k])
        unread = torch.zeros(1, 1 + members, 1 + members, dtype=torch.float64, device="cpu")  # checked by `_single`
        return Space(Basis(vectors, unread, point.layout), Scheme(_single))


@contextmanager
def losses_along(
    point: Point, cost: Cost, count: int, write: Writer, *, plan: Plan | None = None, own_space: Space | None = None
) -> Iterator[AlongDirections]:
    """Losses along directions; the evaluator is closed when the context ends.

    Args:
        point: The model.
        cost: Counts the evaluations.
        count: Number of directions.
        write: Writes direction k to a row [P].
        plan: A plan found for other directions. Default: none.
        own_space: The space of a single direction that is not in memory. Default: directions are written.

    Yields:
        The losses.
    """
    made = AlongDirections(point, count, write, cost, plan, own_space)
    try:
        yield made
    finally:
        made.close()


def _single(gram: Tensor, *coordinates: Tensor) -> Tensor:
    """Coefficients of theta plus a multiple of one direction; in each row of the coordinates one entry is not 0.

    The engine compares a plan with a plain evaluation at the point where all coordinates are 1. There the
    coefficients give the mean of the directions, because the sum of many directions would be far away.

    Args:
        gram: Not needed.
        *coordinates: Coordinates [G], per direction.

    Returns:
        Coefficients [G, 1, K].
    """
    along = torch.stack(coordinates, dim=-1)
    used = (along != 0).sum(-1, keepdim=True).clamp(min=1)
    return torch.cat([torch.ones_like(along[:, :1]), along / used], dim=-1)[:, None, :]
