"""One run: connects the rooms from the model to the landscape. No arithmetic happens here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fastscape import norms
from fastscape.basis import Basis, basis_of, basis_seeded
from fastscape.data import Data, fixed_samples
from fastscape.directions import Direction, check_directions, direction_from, direction_random
from fastscape.evaluation import Evaluated, evaluate
from fastscape.grid import points
from fastscape.inspection import at_the_model, hash_of_data, hash_of_weights, plainly
from fastscape.isolation import global_state_kept
from fastscape.kernels import choose, interpolate
from fastscape.parts import Parts
from fastscape.plan import Plan, plan_sized
from fastscape.precision import error_of
from fastscape.probing import batch_dependence, widest
from fastscape.problem import Problem, problem_of
from fastscape.schemes import Scheme
from fastscape.selection import Perturb
from fastscape.settings import Settings
from fastscape.trust import counts, depends_on_batches, environment, name_of, peak_megabytes, standard_error, warned
from fastscape.weights import Layout, layout_of

__all__ = ["computed"]


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
    axes: Sequence[np.ndarray],
    scheme: tuple[str, Scheme],
    directions: Sequence[Direction] | None,
    settings: Settings,
) -> Parts:
    """Evaluates a model over a grid.

    Args:
        model: The model.
        data: The samples.
        axes: Coordinates of one or two axes.
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
    objective = settings.measured()
    asked = _asked(model, len(axes), scheme[1], directions, settings)
    dtypes, auto = settings.dtypes, settings.plan == "auto"
    with global_state_kept(asked.place):
        layout = layout_of(model, asked.perturb)
        plan = settings.first_plan(model, layout, asked.place)
        basis = _basis(model, layout, directions, settings, asked, plan, count=len(axes))
        joined = settings.batchnorm == "running"  # else its batches belong to the result
        kept: dict[str, Any] = {"pairs": objective.custom is None, "join": joined}
        samples = fixed_samples(data, device=asked.place, dtype=dtypes.basis, **kept)
        plan = plan if joined else replace(plan, microbatch=max(batch.samples for batch in samples))
        problem = problem_of(
            model, {entry.name for entry in layout.entries}, objective, samples, device=asked.place,
            dtype=dtypes.weights, batchnorm=settings.batchnorm, training=settings.training,
        )  # fmt: skip
        theta = layout.unflatten(basis.theta.to(dtypes.weights))
        problem = problem.known(theta, plan.microbatch)
        plain = None if settings.low_memory else plainly(problem, dtypes.basis)  # it is one more copy of the weights
        facts, warnings = at_the_model(problem, theta, plan.microbatch, plain=plain)
        del plain
        report = _about(model, layout, basis, scheme, axes, asked, settings)
        report |= {
            "samples": problem.size,
            "data_hash": settings.check_hash("data_hash", hash_of_data(samples)),
            **facts,
        }
        grid = points(*axes)
        plan, dependence = _probed(problem, basis, scheme[1], grid, plan, sized=auto)
        recut = joined and not depends_on_batches(dependence, dtypes.weights)
        done = evaluate(problem, basis, scheme[1], grid, plan, auto=auto, recut=recut, progress=settings.progress)
        report["precision_error"] = None
        if dtypes.reduced:
            wide = problem_of(
                model, {entry.name for entry in layout.entries}, problem.objective, samples, device=asked.place,
                dtype=dtypes.basis, batchnorm=settings.batchnorm, training=settings.training,
            )  # fmt: skip
            report["precision_error"] = error_of(done.values, wide, done.basis, scheme[1], grid, done.plan)
    grids, error = _grids(done, problem, axes)
    report |= _evaluated(done, grids, error, asked.place)
    report["warnings"] = warnings + warned(grids["loss"], dependence, dtypes.weights, plan.microbatch)
    report["seconds"] = time.perf_counter() - started
    return Parts(axes[0], axes[1] if len(axes) == 2 else None, grids.pop("loss"), grids, report, error)


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


def _about(
    model: nn.Module,
    layout: Layout,
    basis: Basis,
    scheme: tuple[str, Scheme],
    axes: Sequence[np.ndarray],
    asked: _Asked,
    settings: Settings,
) -> dict[str, Any]:
    """What is computed and of what, for the report."""
    random = not asked.between
    moving = [entry.name for entry in layout.entries]
    lengths = basis.gram.diagonal(dim1=1, dim2=2).sum(0).sqrt().tolist()
    return {
        "loss": None if settings.objective else name_of(settings.loss),
        "metrics": {name: name_of(metric) for name, metric in (settings.metrics or {}).items()},
        "objective": name_of(settings.objective) if settings.objective else None,
        "batchnorm": settings.batchnorm,
        "training": settings.training,
        "scheme": scheme[0],
        "normalize": asked.norm,
        "perturb": asked.perturb if isinstance(asked.perturb, str) else name_of(asked.perturb),
        "directions": "random" if random else ["between models" if b else "given" for b in asked.between],
        "distribution": settings.distribution if random else None,
        "seed": int(settings.seed) if random else None,
        "low_memory": settings.low_memory,
        "marks": _marks(basis, scheme[1], asked.between),
        "precision": settings.precision,
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perturbed": layout.perturbed,
        "moving": moving,
        "untouched": [name for name, _ in model.named_parameters() if name not in set(moving)],
        "weights_hash": settings.check_hash("weights_hash", hash_of_weights(model)),
        "norms": dict(zip(("theta", "d1", "d2"), lengths, strict=False)),
        "cosine": norms.cosine(basis.gram, 1, 2) if len(axes) == 2 else None,
    }


def _evaluated(
    done: Evaluated, grids: Mapping[str, np.ndarray], error: np.ndarray | None, place: torch.device
) -> dict[str, Any]:
    """How the values came about and what they are, for the report."""
    finite = None if error is None else error[np.isfinite(error)]
    return {
        "plan": done.plan.as_dict(),
        "plans_measured": done.timings,
        "kernels": choose(place, done.plan.kernels),
        "fallback": done.reason,
        "not_finite": counts(grids),
        "standard_error": None
        if finite is None or not finite.size
        else {"median": float(np.median(finite)), "largest": float(finite.max())},
        "peak_megabytes": peak_megabytes(place),
        **environment(place),
    }


def _grids(
    done: Evaluated, problem: Problem, axes: Sequence[np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The measures as grids by name, and the standard error of the loss."""
    values = done.values.T.reshape(-1, *(len(axis) for axis in axes)).numpy()
    objective = problem.objective
    grids = dict(zip(objective.names, values[: len(objective.names)], strict=True))
    return grids, standard_error(values[0], values[-1], problem.size) if objective.squares else None


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
    problem: Problem, basis: Basis, scheme: Scheme, grid: Tensor, plan: Plan, *, sized: bool
) -> tuple[Plan, float]:
    """Looks at the first grid point, which is far from the cancellations of a perfect fit.

    Returns:
        The plan, fitted to the size of activations; and how far the values depend on the microbatch.
    """
    out = torch.empty(1, basis.layout.size, dtype=problem.dtype, device=problem.device)
    c = basis.coefficients(scheme, grid[:1])
    interpolate(basis.vectors, c, basis.layout.segments, out=out, backend=plan.kernels)
    corner = basis.layout.unflatten(out[0])
    if sized:
        plan = plan_sized(plan, widest(problem, corner, plan.microbatch), len(grid))
    return plan, batch_dependence(problem, corner, plan.microbatch) if problem.batchnorm == "running" else 0.0


def _marks(basis: Basis, scheme: Scheme, between: Sequence[bool]) -> dict[str, list[float]]:
    """The coordinates at which the scheme passes through the model itself, and through those it is led to."""
    axes = basis.gram.shape[2] - 1
    found = {}
    there = basis.gram[:, 0, 0] > 0  # where theta is 0, and in the padding, a norm has nothing to keep
    ends = {f"model {chr(ord('B') + k)}": k for k, is_model in enumerate(between) if is_model}
    for name, end in {"the model": None, **ends}.items():
        at = [float(k == end) for k in range(axes)]
        c = basis.coefficients(scheme, torch.tensor([at], dtype=torch.float64, device="cpu"))
        wanted = torch.tensor([1.0, *at], dtype=c.dtype, device="cpu")
        if torch.allclose(c[:, there] if c.shape[1] > 1 else c, wanted):
            found[name] = at
    return found


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
