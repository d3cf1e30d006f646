"""One run: connects the rooms from the model to the landscape. No arithmetic happens here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fastscape.basis import Basis, basis_of, basis_seeded
from fastscape.data import Data, Samples, fixed_samples, parts_of
from fastscape.directions import Direction, check_directions, direction_from, direction_random
from fastscape.evaluation import Evaluated, evaluate
from fastscape.grid import Axis, points
from fastscape.inspection import DataHash, at_the_model, plainly
from fastscape.isolation import drawing_alone, global_state_kept
from fastscape.kernels import interpolate
from fastscape.ledgers import ledger_for
from fastscape.objective import Objective
from fastscape.order import shuffled, size_of
from fastscape.parallel import Ranks, joined
from fastscape.parts import Parts
from fastscape.plan import Plan, plan_shared, plan_sized
from fastscape.precision import error_of, values_at_some
from fastscape.probing import batch_dependence, widest
from fastscape.problem import Problem, problem_of
from fastscape.reach import resolved
from fastscape.refining import Refining
from fastscape.reporting import about, evaluated, filled, refined, show
from fastscape.schemes import Scheme
from fastscape.selection import Perturb
from fastscape.settings import Settings
from fastscape.store import Store
from fastscape.trust import depends_on_batches, standard_error, warned
from fastscape.weights import Layout, layout_of

__all__ = ["computed"]

EXPECTED_SHARE = 10  # with a tolerance, one of so many points is evaluated


class _Asked(NamedTuple):
    """What is to be computed, with the defaults that depend on each other.

    Args:
        between: For each direction that was given, whether it leads to another model.
        perturb: What moves.
        norm: Of the directions.
        place: Where to compute.
    """

    between: list[bool]
    perturb: Perturb
    norm: str
    place: torch.device


def computed(
    model: nn.Module,
    data: Data,
    axes: Sequence[Axis],
    scheme: tuple[str, Scheme],
    directions: Sequence[Direction] | None,
    settings: Settings,
) -> Parts:
    """Evaluates a model over a grid.

    Args:
        model: The model.
        data: The samples.
        axes: Coordinates of one or two axes, or `Auto` where the range is to be chosen.
        scheme: A scheme with as many coordinates, and its name.
        directions: A direction for each axis; None for random ones.
        settings: Everything else.

    Returns:
        The parts of a landscape.

    Raises:
        TypeError: When the model is no module, or a callee refuses its argument.
        ValueError: When directions were given that must not be kept, or a callee refuses its argument.
    """
    started = time.perf_counter()
    asked = _asked(model, len(axes), scheme[1], directions, settings)
    with joined() if settings.distributed else nullcontext() as ranks:
        leads = ranks is None or ranks.leads
        with nullcontext() if settings.store is None else Store(settings.store, locks=leads) as store:
            parts = _computed(model, data, axes, scheme, directions, settings, asked, store, ranks)
            parts.report["seconds"] = time.perf_counter() - started
            if store is not None and leads:
                store.finish(parts)
    return parts


def _computed(
    model: nn.Module,
    data: Data,
    wanted: Sequence[Axis],
    scheme: tuple[str, Scheme],
    directions: Sequence[Direction] | None,
    settings: Settings,
    asked: _Asked,
    store: Store | None,
    ranks: Ranks | None,
) -> Parts:
    """The parts of a landscape, with or without a store that they are kept in, and others that take part."""
    objective = settings.measured()
    dtypes, auto = settings.dtypes, settings.plan == "auto"
    with global_state_kept(asked.place):
        layout = layout_of(model, asked.perturb)
        plan = settings.first_plan(model, layout, asked.place)
        basis = _basis(model, layout, directions, settings, asked, plan, count=len(wanted))
        free = settings.batchnorm == "running"  # else its batches belong to the result
        rest, order, available = _read(data, settings, asked.place, pairs=objective.custom is None, join=free)
        samples, digest = next(rest), DataHash()
        digest.update(samples)
        plan = plan if free else replace(plan, microbatch=max(batch.samples for batch in samples))

        def problem_in(dtype: torch.dtype, objective: Objective) -> Problem:
            return problem_of(
                model, {entry.name for entry in layout.entries}, objective, samples, device=asked.place, dtype=dtype,
                batchnorm=settings.batchnorm, training=settings.training,
            )  # fmt: skip

        theta = layout.unflatten(basis.theta.to(dtypes.weights))
        problem = problem_in(dtypes.weights, objective).known(theta, plan.microbatch)
        settings.check_losses(problem.objective)
        plain = None if settings.low_memory else plainly(problem, dtypes.basis)  # it is one more copy of the weights
        facts, warnings = at_the_model(problem, theta, plan.microbatch, plain=plain)
        del plain
        axes, reach, said = resolved(wanted, problem, basis, scheme[1], plan, store, ranks)
        report = about(
            model, layout, basis, scheme, axes, settings, between=asked.between, perturb=asked.perturb, norm=asked.norm
        )
        report |= {"samples": problem.size, "order": order, "data_hash": digest.hexdigest(), "reach": reach, **facts}
        if settings.stream is None:
            settings.check_hash("data_hash", report["data_hash"])
        grid = points(*axes)
        expected = len(grid) if settings.tolerance is None else max(len(grid) // EXPECTED_SHARE, 1)
        plan, dependence = _probed(problem, basis, scheme[1], grid, plan, sized=expected if auto else None)
        plan = plan_shared(plan, expected, ranks.size) if auto and ranks else plan
        recut = free and not depends_on_batches(dependence, dtypes.weights)
        ledger = ledger_for(store, ranks, report, basis, axes, problem, plan, digest, settings)
        plan = ledger.plan if auto and ledger.plan else plan
        bar = settings.progress and ledger.leads
        options = {"auto": auto, "search": auto and ledger.plan is None, "recut": recut, "progress": bar}
        if isinstance(ledger, Refining) and settings.shown is not None:
            ledger.shown = partial(show, settings.shown, axes, problem.objective.names, report, ledger.refinement)
        parts = _parts(problem, rest, plan.microbatch, digest, store)
        done = evaluate(parts, basis, scheme[1], grid, plan, ledger, **options)
        report |= {"samples": done.samples, "data_hash": settings.check_hash("data_hash", digest.hexdigest())}
        report |= {"processes": ranks.size if ranks else 1, "points_before": ledger.before, "precision_error": None}
        if dtypes.reduced:
            where = done.basis, scheme[1], grid, done.plan
            whole = settings.stream is None and settings.tolerance is None
            values = done.values if whole else values_at_some(problem, *where)
            report["precision_error"] = error_of(values, problem_in(dtypes.basis, problem.objective), *where)
    grids, error = _grids(done, problem, axes)
    mask = None
    if isinstance(ledger, Refining):
        grids, error, mask = filled(grids, error, ledger.refinement)
        report["refinement"] = refined(ledger.refinement, list(grids))
    report |= evaluated(done, grids, error, asked.place, aim=settings.enough, available=available)
    report["warnings"] = warnings + said + warned(grids["loss"], dependence, dtypes.weights, plan.microbatch)
    return Parts(axes[0], axes[1] if len(axes) == 2 else None, grids.pop("loss"), grids, report, error, mask)


def _read(
    data: Data, settings: Settings, place: torch.device, *, pairs: bool, join: bool
) -> tuple[Iterator[Samples], str | None, int | None]:
    """The samples, all at once or one part after the other.

    Returns:
        The parts; the order of the samples, where it is not that of the data; and where it is possible that not all
        are read, how many there are, if the data say it.
    """
    options: dict[str, Any] = {"device": place, "dtype": settings.dtypes.basis, "pairs": pairs, "join": join}
    if settings.stream is None:
        return iter([fixed_samples(data, **options)]), None, None
    ordered, available = data, None
    if settings.enough is not None:
        available = size_of(data, pairs=pairs)
        ordered = shuffled(data, settings.stream, pairs=pairs, join=join)
    parts = drawing_alone(parts_of(ordered, settings.stream, **options), place)
    return parts, None if ordered is data else "random", available


def _parts(
    problem: Problem, rest: Iterator[Samples], microbatch: int, digest: DataHash, store: Store | None
) -> Iterator[Problem]:
    """The problem with one part of the samples after the other, which must be those that a store was begun with."""
    number, begun = 0, 0
    while True:
        if store is not None and number < store.parts and store.digests[number] != digest.hexdigest():
            raise ValueError(
                f"part {number + 1} of the data is not that with which {store.path} was begun; give the same samples "
                "in the same order: seed what shuffles or draws"
            )
        yield problem
        begun += len(problem.batches(microbatch))
        samples = next(rest, None)
        if samples is None:
            return
        digest.update(samples)
        number += 1
        problem = replace(problem, samples=samples, begun=begun)


def _asked(
    model: nn.Module, axes: int, scheme: Scheme, directions: Sequence[Direction] | None, settings: Settings
) -> _Asked:
    """Checks what belongs together, and fills in the defaults."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model came as {type(model).__name__}; wanted a torch.nn.Module")
    check_directions(directions, axes)
    if settings.low_memory and directions is not None:
        raise ValueError("low_memory=True computes random directions anew at every use; leave out directions or it")
    between = [isinstance(direction, nn.Module) for direction in directions or ()]
    whole: Perturb = "states" if any(between) else "weights"
    perturb = whole if settings.perturb is None else settings.perturb
    norm = settings.normalize or (scheme.normalize if directions is None else "none")
    place = _place(model, settings.device)
    if settings.precision == "float16" and place.type == "cpu":
        raise ValueError("precision='float16' has no fast arithmetic on a CPU; write precision='bfloat16'")
    return _Asked(between, perturb, norm, place)


def _grids(
    done: Evaluated, problem: Problem, axes: Sequence[np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The measures as grids by name, and the standard error of the loss."""
    values = done.values.T.reshape(-1, *(len(axis) for axis in axes)).numpy()
    objective = problem.objective
    grids = dict(zip(objective.names, values[: len(objective.names)], strict=True))
    return grids, standard_error(values[0], values[-1], done.samples) if objective.squares else None


def _basis(
    model: nn.Module,
    layout: Layout,
    directions: Sequence[Direction] | None,
    settings: Settings,
    asked: _Asked,
    plan: Plan,
    *,
    count: int,
) -> Basis:
    """Theta and the directions that are asked for."""
    place: dict[str, Any] = {"device": asked.place, "dtype": settings.dtypes.basis, "backend": plan.kernels}
    seed, distribution = settings.seed, settings.distribution
    if settings.low_memory:
        return basis_seeded(model, layout, seed, distribution, asked.norm, count=count, **place)
    if directions is None:
        sources = [partial(direction_random, layout, seed, axis, distribution=distribution) for axis in range(count)]
    else:
        sources = [partial(direction_from, d, layout, model) for d in directions]
    return basis_of(model, layout, sources, asked.norm, **place)


def _probed(
    problem: Problem, basis: Basis, scheme: Scheme, grid: Tensor, plan: Plan, *, sized: int | None
) -> tuple[Plan, float]:
    """Looks at the first grid point, which is far from the cancellations of a perfect fit.

    Where `sized` is a number of points, the plan is fitted to it.

    Returns:
        The plan, fitted to the size of activations; and how far the values depend on the microbatch.
    """
    out = torch.empty(1, basis.layout.size, dtype=problem.dtype, device=problem.device)
    c = basis.coefficients(scheme, grid[:1])
    interpolate(basis.vectors, c, basis.layout.segments, out=out, backend=plan.kernels)
    corner = basis.layout.unflatten(out[0])
    if sized is not None:
        plan = plan_sized(plan, widest(problem, corner, plan.microbatch), sized)
    return plan, batch_dependence(problem, corner, plan.microbatch) if problem.batchnorm == "running" else 0.0


def _place(model: nn.Module, device: torch.device | str | None) -> torch.device:
    """The device asked for, else that of the model's first parameter."""
    if device is None:
        place = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    else:
        try:
            place = torch.device(device)
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"device={device!r} is unknown; write for example 'cpu' or 'cuda'") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={str(place)!r} was asked for, but torch finds no GPU here; write device='cpu'")
    if place.type not in ("cpu", "cuda"):
        raise ValueError(f"device={str(place)!r} has no kernels and no float64 sums here; write device='cpu'")
    return place
