"""Checks that known values belong to the current problem, by evaluating two points again.

Names and hashes cannot see a number that a function has captured, an argument of a loss, or the code of a model.
Values can. The two points are the nearest to the model and the farthest from it, because their losses differ most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from fastscape.model import Problem, differs
from fastscape.results import warn
from fastscape.runs.distributed import Ranks
from fastscape.runs.evaluation import Evaluated
from fastscape.runs.preparation import Work, widened
from fastscape.runs.request import Request
from fastscape.runs.schedules import Schedule
from fastscape.weights import PRECISIONS, dtype_of

__all__ = ["Recheck", "check_alike", "recheck_of"]

# Largest relative difference in a mean over samples that counts as rounding by different kernels, devices or plans:
# one rounding of bfloat16 and float16, and several roundings of wider numbers, which are still smaller than the
# change from any different problem.
UNSEEN = {torch.float32: 2.0**-15, torch.float64: 2.0**-26}
# Values may also differ by this many times the change that a wider precision makes at the same points.
LEEWAY = 4.0


@dataclass(frozen=True, eq=False)
class Known:
    """Known values of some points.

    Args:
        points: The numbers of the points in the grid [n], int64.
        values: Their sums or means [n, measures]; the moments of the loss may follow in further columns.
        summed: Whether they are sums over the samples, else means.
        parts: Number of parts of the data that they cover.
        source: Where they are stored, in words.
        instead: Advice for the case that they belong to a different problem.
    """

    points: Tensor
    values: Tensor
    summed: bool
    parts: int
    source: str
    instead: str


@dataclass(eq=False)
class Recheck:
    """Compares the known values of two points with their current values.

    Args:
        request: The request.
        work: The prepared work.
        known: The known values. Default: none, and no point is evaluated.
        messages: The warnings.
    """

    request: Request
    work: Work
    known: Known | None
    messages: list[str] = field(default_factory=list)

    def over(self, parts: Iterator[Problem]) -> Iterator[Problem]:
        """Passes on the parts of the data, after evaluating the points on the parts that their values cover.

        Args:
            parts: The problem with one part of the samples after the other.

        Yields:
            The same.

        Raises:
            ValueError: When the values belong to a different problem.
        """
        sums, counts = torch.zeros(()), torch.zeros((), dtype=torch.float64, device="cpu")
        for number, problem in enumerate(parts):
            if self.known is not None and number < self.known.parts:
                last = self._sums(problem)
                sums, counts = sums + last, counts + problem.counts
                if number + 1 == self.known.parts:
                    self._compare(self.known, sums / counts, counts, (problem, last))
            yield problem

    def at_the_end(self, done: Evaluated) -> None:
        """Compares with the landscape that is computed again, after all parts of the data were read.

        Args:
            done: The values, and how they were computed.

        Raises:
            ValueError: When the values belong to a different problem.
        """
        if self.known is not None and not self.known.parts:
            self._compare(self.known, done.values[self.known.points], done.counts, None)

    def _sums(self, problem: Problem) -> Tensor:
        """The sums [n, measures] of the points over a part of the samples, each evaluated by itself."""
        assert self.known is not None
        points = self.work.grid.points[self.known.points]
        place, at = problem.place, self.work.space.at
        return torch.stack(
            [problem.total(at(point[None], place), self.work.plan.microbatch) for point in points]
        ).cpu()

    def _compare(self, known: Known, found: Tensor, counts: Tensor, last: tuple[Problem, Tensor] | None) -> None:
        """Refuses means [n, measures or more] that differ from the known values by more than rounding."""
        named = len(self.work.problem.objective.names)  # the moments add nothing
        found, counts = found[:, :named], counts[:named] if counts.dim() else counts
        means = known.values[:, :named] / counts if known.summed else known.values[:, :named]
        far = _relative(found, means, counts)
        dtype = self.work.problem.narrowest
        unseen = UNSEEN.get(dtype, torch.finfo(dtype).eps)
        if far.max() <= unseen:
            return
        said = self._said(known, found, means, far)
        apart = 0.0
        if last is not None:
            problem, sums = last
            counts = problem.counts
            apart = float(_relative(self._sums(problem) / counts, sums / counts, counts).max())
        if apart > unseen and LEEWAY * apart >= far.max():
            self.messages.append(
                f"{said}; but two evaluations of one point differ too, so nobody can tell whether it is of another "
                "loss, metric, objective or model"
            )
            warn(self.messages[-1])
        elif apart > unseen or far.max() > self._rounding(last):
            footprint = self.work.problem.footprint
            draws = footprint is not None and footprint.draws
            drawn = ", or random numbers that another device or microbatch draws otherwise" if draws else ""
            raise ValueError(
                f"{said}: this is another problem (loss, metric or objective, a number in them, the code of the "
                f"model{drawn}); {known.instead}"
            )

    def _rounding(self, last: tuple[Problem, Tensor] | None) -> float:
        """How far values may be from those of a different machine: by the change from a wider precision, if known."""
        problem = self.work.problem
        draws = problem.footprint is None or problem.footprint.draws  # a different precision does not repeat them
        unknown = float(torch.finfo(problem.narrowest).eps ** 0.5)
        lean = self.request.options["low_memory"] or problem.place.lent
        if last is None or draws or lean or problem.narrowest == torch.float64:
            return unknown
        part, sums = last
        try:
            wide = widened(self.request, part, self.work.space, PRECISIONS["float64"])
            truth = self._wide_sums(replace(wide, begun=part.begun), part)
        except RuntimeError:  # not every model runs in float64, and memory may not suffice
            return unknown
        return LEEWAY * float(_relative(sums / part.counts, truth / part.counts, part.counts).max())

    def _wide_sums(self, wide: Problem, part: Problem) -> Tensor:
        """The sums in a wider precision, with weights that are not rounded; some plans need none."""
        assert self.known is not None
        sums = []
        for point in self.work.grid.points[self.known.points]:
            tensors = self.work.space.at(point[None], part.place.wide)
            sums.append(
                wide.total(
                    {n: t.to(dtype_of(t, torch.float64)) for n, t in tensors.items()}, self.work.plan.microbatch
                )
            )
        return torch.stack(sums).cpu()

    def _said(self, known: Known, found: Tensor, means: Tensor, far: Tensor) -> str:
        """Both values at the largest difference."""
        row, column = divmod(int(far.argmax()), far.shape[1])
        names = self.work.problem.objective.names
        place = ", ".join(f"{number:.6g}" for number in self.work.grid.points[known.points[row]].tolist())
        return (
            f"at ({place}) {known.source} has the {names[column]} {means[row, column]:.9g}, and now it is "
            f"{found[row, column]:.9g}"
        )


def recheck_of(request: Request, work: Work, schedule: Schedule) -> Recheck:
    """The check for a run that resumes a store, or computes a landscape again.

    Args:
        request: The request.
        work: The prepared work.
        schedule: The schedule, which has the known values.

    Returns:
        The check.

    Raises:
        ValueError: When a landscape that is computed again had different measures.
    """
    known = _of_landscape(request, work) if schedule.store is None else _of_store(schedule, work)
    return Recheck(request, work, known)


def check_alike(work: Work, ranks: Ranks) -> None:
    """Refuses to compute one landscape if the processes have different problems with equal names and hashes.

    Args:
        work: The prepared work.
        ranks: The processes that share it.

    Raises:
        ValueError: When the loss at the model differs from its value in process 0 by more than rounding.
    """
    first, here = (ranks.shared("centre", work.report["centre"]["loss"]), work.report["centre"]["loss"])
    samples = torch.tensor([work.problem.loss_samples], dtype=torch.float64, device="cpu")
    if work.report["deterministic"] and differs(here * samples, first * samples, samples, work.problem.narrowest):
        raise ValueError(
            f"process {ranks.rank} of {ranks.size} has the loss {here:.9g} at the model, and process 0 {first:.9g}; "
            "give all the same model, data, loss and objective, and the same numbers in them"
        )


def _of_store(schedule: Schedule, work: Work) -> Known | None:
    assert schedule.store is not None
    stored = schedule.stored()
    if not len(stored):
        return None
    points = _two(stored, schedule.sums[stored, 0], work.grid.points)
    path = schedule.store.path
    return Known(
        points,
        schedule.sums[points].clone(),
        True,
        max(schedule.parts, 1),
        f"{path}",
        "call with those that it was begun with, or give another store",
    )


def _of_landscape(request: Request, work: Work) -> Known | None:
    before, names = request.expected.values, work.problem.objective.names
    if before is None:
        return None
    grids = work.problem.objective.grids
    if set(grids) != set(before.measures):
        raise ValueError(
            f"the landscape has the measures {_listed(before.measures)}, and now they are {_listed(grids)}; give the "
            "loss, metrics and objective that it was computed with"
        )
    columns = [torch.from_numpy(before.measures[name].copy()).flatten() for name in names]
    values = torch.stack(columns, dim=1).to(torch.float64)
    evaluated = torch.from_numpy(before.evaluated.copy()).flatten().nonzero().flatten()
    if not len(evaluated):
        return None
    points = _two(evaluated, values[evaluated, 0], work.grid.points)
    # For data in parts no part has its own means, so these points are compared after all parts were read.
    parts = 0 if request.streams else 1
    instead = "give the loss, metrics, objective and model that it was computed with"
    return Known(points, values[points], False, parts, "the landscape", instead)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)))[:200]


def _two(numbers: Tensor, losses: Tensor, points: Tensor) -> Tensor:
    """The points nearest to the model and farthest from it, among points with finite losses if there are any."""
    finite = numbers[losses.isfinite()]
    numbers = finite if len(finite) else numbers
    away = points[numbers].square().sum(1)
    return torch.unique(torch.stack([numbers[away.argmin()], numbers[away.argmax()]]))


def _relative(found: Tensor, wanted: Tensor, samples: Tensor) -> Tensor:
    """The relative differences of means [n, measures] over a number of samples from other means."""
    same = (found == wanted) | (found.isnan() & wanted.isnan())
    # Below 1e-3 a loss may be mostly rounding: log-softmax subtracts nearly equal numbers.
    relative = (found - wanted).abs() / (wanted.abs() + 1e-3)
    relative = torch.where(same, torch.zeros_like(relative), relative.nan_to_num(nan=torch.inf, posinf=torch.inf))
    if not same[:, 0].all():  # rounding may move a sample over a decision boundary
        slack = (1 + samples * torch.finfo(torch.float32).eps ** 0.5) / samples
        flipped = _counts(found, samples) & _counts(wanted, samples) & ((found - wanted).abs() <= slack)
        relative = torch.where(flipped, torch.zeros_like(relative), relative)
    return relative


def _counts(means: Tensor, samples: Tensor) -> Tensor:
    """Mask of the measures [measures] that count samples at all points, as an accuracy does."""
    sums = means * samples
    return ((sums - sums.round()).abs() <= 1e-6 * samples).all(0) & (means.abs() <= 1).all(0)
