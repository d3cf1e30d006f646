"""Warns of options without effect, and of weights or models that a call does not reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from fastscape.model import Problem, loss_not_finite, norms_not_acted_on
from fastscape.results import warn
from fastscape.runs.request import Request
from fastscape.weights import Space, listed, packed_modules, sharing_memory

__all__ = ["unheeded"]


def unheeded(
    request: Request,
    space: Space,
    problem: Problem,
    theta: Mapping[str, Tensor],
    microbatch: int,
    centre: Mapping[str, Any],
) -> list[str]:
    """Warns of options without effect, and of weights or models that are not reached.

    Args:
        request: The request.
        space: The space of the points.
        problem: What is evaluated.
        theta: The model's own tensors that move, by name.
        microbatch: Samples per microbatch.
        centre: The loss at the model, as in the report.

    Returns:
        The warnings.
    """
    norms = norms_not_acted_on(request.model, request.mode.batchnorm, problem, theta, microbatch)
    messages = [*_of_options(request), *_of_weights(request, space), *_of_marks(request, space)]
    messages += [] if norms is None else [norms]
    if problem.footprint and problem.footprint.outside:
        messages.append(
            f"the loss or objective reads {listed(sorted(problem.footprint.outside))} of your model itself, which "
            "stay where they are; write an objective that takes them from the model that it gets"
        )
    said = centre["difference"] == math.inf  # warned together with the loss of the model called directly
    if not math.isfinite(centre["loss"]) and not said:
        messages.append(loss_not_finite(request.model, problem, centre))
    for message in messages:
        warn(message)
    return messages


def _of_options(request: Request) -> Iterator[str]:
    """Warns of a list that reads as start, stop and count, and of options that only random directions use."""
    options = dict(request.options)
    for name, usual in {"seed": 0, "distribution": "normal"}.items():
        if options["directions"] is not None and options[name] != usual:
            yield f"{name}={options[name]!r} does nothing: it is for random directions, and directions are given"
    for name in request.axes:
        given = options.get(name)
        if not (isinstance(given, list) and len(given) == 3 and type(given[2]) is int):
            continue
        start, stop, count = given
        if count > 10 * max(abs(start), abs(stop), 0.5):
            yield (
                f"{name} is a list, which means three coordinates, {start}, {stop} and {count}; for {count} points "
                f"write a tuple, {name}=({start}, {stop}, {count})"
            )


def _of_weights(request: Request, space: Space) -> Iterator[str]:
    packed = packed_modules(request.model)
    if packed and not callable(request.space.perturb):  # a user who names what moves knows the rest
        modules = listed(f"{path} ({kind})" for path, kind in packed.items())
        yield (
            f"no landscape moves the weights of {modules}, which are no floating-point parameters: they stay at those "
            "of the model; give the model as it was before it was quantised"
        )
    for names in sharing_memory(request.model, space.moving):
        yield (
            f"{listed(names)} lie in the same memory, and as they are several parameters they move apart; to tie "
            "them, give the modules one parameter"
        )
    along = [] if request.space.scheme.axes is not None else list(request.axes.items())  # else there is no axis for it
    for (axis, points), length in zip(along, list(space.lengths.values())[1:], strict=bool(along)):
        if length == 0 and (not isinstance(points, np.ndarray) or len(points) > 1):
            yield (
                f"the direction of {axis} is 0: it leads to a model with the same weights, or what it moves has norm "
                "0, which a norm such as 'filter' keeps"
            )


def _of_marks(request: Request, space: Space) -> Iterator[str]:
    """Warns of models that are not at the coordinates of their marks."""
    marks, asked = space.marks, request.space
    where = {1: "on this line", 2: "in this plane"}.get(len(request.axes), "in this volume")
    for name, names in marks.staying.items():
        still = "integers, and tied tensors by themselves, cannot move"
        instead = still if asked.perturb == "states" else "write perturb='states', which moves all"
        yield (
            f"{name} does not lie {where}, and is not marked: it differs in {listed(names)}, where nothing moves; "
            f"{instead}"
        )
    for name in marks.scaled:
        yield (
            f"{name} does not lie at its coordinates, and is not marked: normalize={asked.normalize!r} gives the "
            "directions other lengths; write normalize='none'"
        )
    if space.astray:
        yield (
            f"the path {listed(space.astray)} is not drawn, as normalize={asked.normalize!r} and "
            f"scheme={asked.scheme_name[:60]!r} do not lead to its points; write normalize='none' and scheme='plane'"
        )
    for name in marks.passed:
        if name == "the model":
            continue
        yield (f"{name} is not marked, as scheme={asked.scheme_name[:60]!r} does not lead to it; write scheme='plane'")
