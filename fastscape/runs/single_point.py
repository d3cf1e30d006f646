"""Prepares and checks a problem at the model itself, as for a landscape."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.engine import Plan
from fastscape.model import Batch, Data, DataHash, Problem, Reading, of_first_set, reading_of
from fastscape.results import warn, with_defaults
from fastscape.runs.backing import Backing
from fastscape.runs.curvature import doubts
from fastscape.runs.guarded import guarded
from fastscape.runs.options import SurfaceOptions
from fastscape.runs.preparation import Work, prepared, widened
from fastscape.runs.request import Request, request_of
from fastscape.weights import PRECISIONS, Layout, Space, space_of

__all__ = ["Point", "at_model", "point_of"]

T = TypeVar("T")

NEAR = -0.01, 0.01  # along a random direction: the model itself may be at a kink, for example if outputs are 0

_SHARED = "loss", "objective", "batchnorm", "train_mode", "perturb", "precision", "device", "progress"


@dataclass(frozen=True, eq=False)
class Point:
    """A prepared problem at one point.

    Args:
        problem: What is evaluated.
        layout: What moves.
        microbatch: Samples per pass.
        report: The report so far, as plain values: hashes, samples, the loss, warnings.
        work: The prepared work, with the plan.
        auto: Whether to search for a plan.
        given: The batches of all data sets, as the data gave them.
    """

    problem: Problem
    layout: Layout
    microbatch: int
    report: Mapping[str, Any]
    work: Work
    auto: bool
    given: Sequence[Batch]

    @property
    def theta(self) -> Tensor:
        """The point [P], a buffer of the layout; not available for a model without a vector in memory."""
        return self.work.space.basis.theta.to(self.work.problem.dtype)


def at_model(
    model: nn.Module,
    data: Data,
    options: Mapping[str, Any],
    run: Callable[[Point], T],
    *,
    call: str,
    doubted: bool = True,
) -> T:
    """Prepares and checks a problem at the model itself, and computes a result from it.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        options: The options of the call, including `PointOptions`.
        run: A function of the point that computes the result.
        call: The name of the call, for errors.
        doubted: Whether first and second derivatives of the loss are compared with finite differences; a training
            uses the gradient of the model without this check. Default True.

    Returns:
        The result.

    Raises:
        TypeError: When an argument has the wrong type.
        ValueError: When an argument has an unknown value.
    """
    if options["batchnorm"] == "recalibrate":
        raise ValueError(
            f"batchnorm='recalibrate' makes the statistics follow the weights, and {call} differentiates by the "
            "weights alone; write 'running' or 'batch'"
        )
    request = _request(model, data, options, call)
    return guarded(request, lambda: run(point_of(request, doubted=doubted)))


def _request(model: nn.Module, data: Data, options: Mapping[str, Any], call: str) -> Request:
    """The request of a line of one point along a random direction, which the checks use for a point far away."""
    given = {name: options[name] for name in _SHARED if name in options}
    size = options["microbatch"]
    if size is not None:
        given["plan"] = Plan("loop", chunk=1, microbatch=size)
    whole = with_defaults(SurfaceOptions, cast(SurfaceOptions, given), call)
    return request_of(model, data, {"x": np.zeros(1)}, whole)


def point_of(request: Request, *, doubted: bool) -> Point:
    """The model as a prepared and checked point.

    Args:
        request: The request of a line.
        doubted: Whether first and second derivatives of the loss are compared with finite differences.

    Returns:
        The point.
    """
    started = time.perf_counter()
    space = space_of(request.model, request.space, request.place)
    reading, digest = reading_of(request.data, request.reading, request.place), DataHash()
    samples = next(reading.parts)
    work = prepared(request, space, Reading(iter([samples]), reading.order), digest, Backing())
    kept = "weights_hash", "data_hash", "samples", "centre", "deterministic", "warnings", "versions", "device"
    report = {name: work.report[name] for name in kept if name in work.report}
    problem = of_first_set(work.problem)
    if doubted:
        report["warnings"] = [*report["warnings"], *_doubts(request, problem, space, work.plan.microbatch)]
    report["seconds_of_checks"] = time.perf_counter() - started
    return Point(problem, space.layout, work.plan.microbatch, report, work, request.auto, samples)


def _doubts(request: Request, problem: Problem, space: Space, microbatch: int) -> list[str]:
    """Warns if derivatives differ from finite differences; a loss without derivatives raises later, if needed."""
    found: list[str] = []
    with suppress(ValueError):
        wide = partial(widened, request, space=space, precision=PRECISIONS["float64"])
        found = doubts(problem, space, [torch.tensor(NEAR)], microbatch, wide)
    for message in found:
        warn(message)
    return found
