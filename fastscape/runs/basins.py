"""Computes how far along random directions a score of a user's model stays within its range."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from fastscape.curvature import Cost
from fastscape.engine import Plan, one_by_one
from fastscape.model import Data
from fastscape.results import BasinValues, clipped, is_loss, warn, with_defaults
from fastscape.runs.along_directions import MEMORY, AlongDirections, losses_along
from fastscape.runs.checks import check_fraction, check_positive, check_whole
from fastscape.runs.guarded import guarded
from fastscape.runs.options import BasinOptions, SurfaceOptions
from fastscape.runs.request import Request, request_of
from fastscape.runs.single_point import Point, point_of
from fastscape.sampling import Scan, first_exits
from fastscape.weights import Basis

__all__ = ["basin_of"]

_MOST = 32  # largest number of directions in memory: each point is a combination of all of them
_SMALL = 1 << 20  # number of weights below which the overhead of a call exceeds its arithmetic
_ROUNDED = 1e-12  # fraction of the level by which rounding may exceed it
_SHARED = (
    "loss", "objective", "metrics", "batchnorm", "train_mode", "device", "perturb", "normalize", "distribution",
    "seed", "precision", "plan", "lend", "keep", "low_memory", "progress",
)  # fmt: skip
_KEPT = (
    "measure", "drop", "worse", "directions", "limit", "normalize", "distribution", "seed", "steps", "tolerance",
    "confidence",
)  # fmt: skip


def basin_of(model: nn.Module, data: Data, given: BasinOptions) -> BasinValues:
    """Computes how far along random directions a score stays within its range.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The radii.
    """
    options = with_defaults(BasinOptions, given, "basin_radius")
    _check(options)
    shared: dict[str, Any] = {name: options[name] for name in _SHARED}  # type: ignore[literal-required]
    whole = {**shared, "scheme": "plane", "repeats": int(options["directions"])}
    surface = with_defaults(SurfaceOptions, cast(SurfaceOptions, whole), "basin_radius")
    request = request_of(model, data, {"x": np.zeros(1)}, surface)
    return guarded(request, lambda: _basin(request, options))


def _check(options: BasinOptions) -> None:
    """Refuses options that are not valid numbers, before anything is read."""
    check_whole("directions", options["directions"], 1)
    check_whole("steps", options["steps"], 2)
    for name in ("drop", "limit"):
        check_positive(name, options[name])
    check_fraction("tolerance", options["tolerance"], "0.01")
    check_fraction("confidence", options["confidence"], "0.95")
    if options["worse"] not in (None, "higher", "lower"):
        raise ValueError(f"worse must be 'higher' or 'lower', got {options['worse']!r:.80}")
    level = options["level"]
    if level is not None and not _is_finite(level):
        raise ValueError(f"level must be a value of the score, got {level!r:.80}; for example level=0.9")


def _is_finite(value: object) -> bool:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _basin(request: Request, options: BasinOptions) -> BasinValues:
    started = time.perf_counter()
    point, cost = point_of(request, doubted=False), Cost()
    column = _column(options, point.work.problem.objective.names)
    cheap = point.layout.size <= _SMALL and not options["lend"]
    together = _MOST if cheap else 1
    scan = Scan(float(options["limit"]), int(options["steps"]), float(options["tolerance"]), together)
    drawn, found = _Drawn(request, point, cost), []
    scores = _range(options, _at_model(point)[column])
    with tqdm(desc="basin radius", unit=" points", disable=None if options["progress"] else True, leave=False) as bar:
        for first in range(0, options["directions"], drawn.block):
            members = min(drawn.block, options["directions"] - first)
            with drawn.along(first, members) as losses:
                excess = _Excess(losses, column, scores, bar)
                found.append(first_exits(excess, members, scores.at_model, scan))
                drawn.plan = losses.plan
    inside, outside, spacing = (
        np.concatenate([getattr(exits, name) for exits in found]) for name in ("inside", "outside", "spacing")
    )
    settings = {name: options[name] for name in _KEPT}  # type: ignore[literal-required]
    settings |= {"worse": "higher" if scores.sign > 0 else "lower", "perturb": request.space.perturb}
    report = _report(point, cost, spacing, time.perf_counter() - started)
    report["warnings"] = [*report["warnings"], *_never_left(options, np.isinf(outside))]
    return BasinValues(
        options["measure"], scores.score, scores.level, inside, outside, np.array(drawn.lengths), drawn.seeds,
        drawn.norm, _plain(settings, level=options["level"]), report,
    )  # fmt: skip


def _never_left(options: BasinOptions, censored: np.ndarray) -> list[str]:
    """Warns if no radius was found within the limit."""
    if not censored.all():
        return []
    limit = float(options["limit"])
    message = (
        f"{options['measure']:.80} left its range along none of {len(censored)} directions up to limit={limit:g}, so "
        f"that no radius is known; write a larger limit, for example limit={4 * limit:g}"
    )
    warn(message)
    return [message]


def _column(options: BasinOptions, names: tuple[str, ...]) -> int:
    """The column of a measure."""
    measure = options["measure"]
    if not isinstance(measure, str):
        raise TypeError(
            f"measure must be the name of a score, got {clipped(repr(measure))}; for example measure='accuracy' with "
            "metrics={'accuracy': fastscape.accuracy}"
        )
    if measure not in names:
        more = (
            "let the objective return others, causal_lm(accuracy=True) for example"
            if options["objective"] is not None
            else "give others as metrics={'accuracy': fastscape.accuracy}, for example"
        )
        raise ValueError(f"measure={clipped(repr(measure))} is none here; there are {', '.join(names):.200}: {more}")
    return names.index(measure)


def _at_model(point: Point) -> list[float]:
    """All measures at the model."""
    work = point.work
    origin = torch.zeros(1, 1, dtype=torch.float64, device="cpu")
    found: list[float] = one_by_one(work.problem, work.space, work.plan)(origin)[0].tolist()
    return found


class _Drawn:
    """The random directions of a run, block by block.

    Args:
        request: The request.
        point: The model.
        cost: Is told of the evaluations.
    """

    def __init__(self, request: Request, point: Point, cost: Cost) -> None:
        self.point, self.cost = point, cost
        self.space = point.work.space
        self.seeds = [int(request.options["seed"])] if self.space.repeats is None else list(self.space.repeats.seeds)
        self.lengths: list[float] = []
        self.norm = math.nan
        self.plan: Plan | None = None

    @property
    def block(self) -> int:
        """Number of directions that are searched together."""
        vectors = self.space.basis.vectors
        if not isinstance(vectors, Tensor):  # they are recomputed wherever they are read
            return 1
        return max(min(MEMORY // (vectors.shape[1] * vectors.element_size()), _MOST), 1)

    def along(self, first: int, members: int) -> AbstractContextManager[AlongDirections]:
        """The losses along a block of the directions."""
        if not isinstance(self.space.basis.vectors, Tensor):
            own = self.space.of_repeat(first)
            self._told(own.basis)
            return losses_along(self.point, self.cost, 1, _not_written, plan=self.plan, own_space=own)

        def write(k: int, row: Tensor) -> None:
            basis = self.space.of_repeat(first + k).basis
            assert isinstance(basis.vectors, Tensor)  # the basis is in memory
            row.copy_(basis.vectors[1])
            self._told(basis)

        return losses_along(self.point, self.cost, members, write, plan=self.plan)

    def _told(self, basis: Basis) -> None:
        self.norm, length = basis.gram.sum(0).diagonal().clamp(min=0).sqrt().tolist()
        if not length:
            raise ValueError(
                "a random direction is 0: what it moves has norm 0, which its norm keeps; write normalize='none', or "
                "choose what moves by perturb"
            )
        self.lengths.append(length)


def _not_written(k: int, row: Tensor) -> None:
    raise AssertionError("a direction that is not in memory is not written")


@dataclass(frozen=True)
class _Range:
    """Which scores are within the range.

    Args:
        score: The score at the model.
        level: The value that the score must not pass.
        sign: 1 if higher scores are worse, -1 if lower scores are.
    """

    score: float
    level: float
    sign: int

    @property
    def at_model(self) -> float:
        """How far the score at the model is outside the range; negative inside."""
        return float(self.excess(np.array(self.score)))

    def excess(self, scores: np.ndarray) -> np.ndarray:
        """How far scores are outside the range: at most 0 inside, and infinite for scores that are not finite."""
        beyond = self.sign * (scores - self.level) - _ROUNDED * abs(self.level)
        return np.where(np.isfinite(scores), beyond, np.inf)


def _range(options: BasinOptions, score: float) -> _Range:
    """The range of a score, from its value at the model."""
    measure, level, drop = options["measure"], options["level"], options["drop"]
    worse = options["worse"] or ("higher" if is_loss(measure) else "lower")
    sign = 1 if worse == "higher" else -1
    if not math.isfinite(score):
        raise ValueError(f"{measure:.80} is {score} at the model itself, so that it has no range to stay within")
    if level is None and not score:
        raise ValueError(
            f"{measure:.80} is 0 at the model, of which no share can be taken; write level=, the value that it must "
            "not pass"
        )
    if level is None and sign < 0 < score and drop >= 1:
        raise ValueError(
            f"drop must be a share below 1, got {drop!r}: {100 * drop:g} % off {measure:.80} ends at 0 or below; for "
            "example drop=0.05 for 5 %"
        )
    made = _Range(score, score + sign * drop * abs(score) if level is None else float(level), sign)
    if made.at_model > 0:
        raise ValueError(
            f"{measure:.80} is {score:.6g} at the model, already beyond level={level!r}, {worse} ones being worse; "
            "write another level, or worse="
        )
    return made


@dataclass(frozen=True)
class _Excess:
    """A function that gives how far scores along directions are outside the range.

    Args:
        losses: Evaluates the scores.
        column: The column of the score.
        range: The range of the score.
        bar: The progress bar of the points.
    """

    losses: AlongDirections
    column: int
    range: _Range
    bar: Any

    def __call__(self, which: np.ndarray, radii: np.ndarray) -> np.ndarray:
        found = self.losses.means(which, radii)[:, self.column]
        self.bar.update(len(which))
        return self.range.excess(found)


def _plain(settings: Mapping[str, Any], level: float | None) -> dict[str, Any]:
    """Settings as JSON holds them: `perturb` by name, and either `drop` or `level`."""
    found = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
    if callable(found["perturb"]):
        found["perturb"] = getattr(found["perturb"], "__qualname__", "a function")
    if level is not None:
        found["drop"] = None
    return found


def _report(point: Point, cost: Cost, spacing: np.ndarray, seconds: float) -> dict[str, Any]:
    resolution = {"spacing": float(spacing.max()), "finer": int((spacing < spacing.max()).sum())}
    resolution["finest"] = float(spacing.min())
    return {**point.report, "evaluations": int(cost.evaluations), "resolution": resolution, "seconds": seconds}
