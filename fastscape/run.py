"""One run: connects the rooms from the model to the landscape. No arithmetic happens here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastscape import norms
from fastscape.basis import Basis, basis_of, basis_seeded
from fastscape.data import Data, fixed_samples
from fastscape.directions import (
    Direction,
    check_directions,
    check_distribution,
    check_seed,
    direction_from,
    direction_random,
)
from fastscape.evaluation import evaluate
from fastscape.grid import points
from fastscape.isolation import global_state_kept
from fastscape.kernels import choose, interpolate
from fastscape.objective import Measure, Objective
from fastscape.plan import Plan, plan_fixed, plan_sized
from fastscape.precision import PRECISIONS, Precision, error_of
from fastscape.problem import Problem, problem_of
from fastscape.result import Landscape
from fastscape.schemes import Scheme
from fastscape.selection import Perturb
from fastscape.trust import counts, depends_on_batches, environment, peak_megabytes, warned
from fastscape.weights import Layout, layout_of

__all__ = ["Settings", "chosen", "landscape"]


@dataclass(frozen=True)
class Settings:
    """The arguments that surfaces and lines share, as `fastscape.surface` documents them.

    Raises:
        TypeError: When an argument is of another kind.
        ValueError: When an argument has no such choice.
    """

    loss: Measure
    metrics: Mapping[str, Measure] | None
    normalize: str | None
    perturb: Perturb | None
    distribution: Any
    seed: int
    precision: str
    device: torch.device | str | None
    plan: Plan | str
    low_memory: bool
    progress: bool

    def __post_init__(self) -> None:
        if self.normalize is not None:
            norms.check_norm(self.normalize)
        chosen("precision", self.precision, PRECISIONS)
        check_seed(self.seed)
        check_distribution(self.distribution)
        if self.plan != "auto" and not isinstance(self.plan, Plan):
            raise TypeError(f"plan={self.plan!r} cannot be used; wanted a fastscape.Plan or 'auto'")

    @property
    def dtypes(self) -> Precision:
        """The precision as torch names it."""
        return PRECISIONS[self.precision]

    def first_plan(self, model: nn.Module, layout: Layout, device: torch.device) -> Plan:
        """The plan that was given, or that of fixed rules, to begin with."""
        if isinstance(self.plan, Plan):
            return self.plan
        options: dict[str, Any] = {"dtype": self.dtypes.weights, "low_memory": self.low_memory}
        return plan_fixed(model, layout.size, device=device, **options)


def landscape(
    model: nn.Module,
    data: Data,
    axes: Sequence[np.ndarray],
    scheme: tuple[str, Scheme],
    directions: Sequence[Direction] | None,
    settings: Settings,
) -> Landscape:
    """Evaluates a model over a grid.

    Args:
        model: The model.
        data: The samples.
        axes: Coordinates of one or two axes.
        scheme: A scheme with as many coordinates, and its name.
        directions: A direction for each axis; None for random ones.
        settings: Everything else.

    Returns:
        The landscape.

    Raises:
        TypeError: When the model is no module, or a callee refuses its argument.
        ValueError: When directions were given that must not be kept, or a callee refuses its argument.
    """
    started = time.perf_counter()
    objective = Objective(settings.loss, {} if settings.metrics is None else settings.metrics)
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model came as {type(model).__name__}; wanted a torch.nn.Module")
    check_directions(directions, len(axes))
    if settings.low_memory and directions is not None:
        raise ValueError("low_memory=True computes random directions anew at every use; leave out directions or it")
    between = [isinstance(direction, nn.Module) for direction in directions or ()]
    whole: Perturb = "states" if any(between) else "weights"
    perturb = whole if settings.perturb is None else settings.perturb
    norm = settings.normalize or (scheme[1].normalize if directions is None else "none")
    place, dtypes = _place(model, settings.device), settings.dtypes
    if settings.precision == "float16" and place.type == "cpu":
        raise ValueError("precision='float16' has no fast arithmetic on a CPU; write precision='bfloat16'")
    with global_state_kept(place):
        layout = layout_of(model, perturb)
        plan = settings.first_plan(model, layout, place)
        basis = _basis(model, layout, directions, norm, settings, count=len(axes), device=place, plan=plan)
        samples = fixed_samples(data, device=place, dtype=dtypes.basis)
        moving = {entry.name for entry in layout.entries}
        problem = problem_of(model, moving, objective, samples, device=place, dtype=dtypes.weights)
        grid = points(*axes)
        marks = _marks(basis, scheme[1], between)
        plan, dependence = _probed(problem, basis, scheme[1], grid, plan, sized=settings.plan == "auto")
        recut = not depends_on_batches(dependence, dtypes.weights)
        options: dict[str, Any] = {"auto": settings.plan == "auto", "recut": recut, "progress": settings.progress}
        done = evaluate(problem, basis, scheme[1], grid, plan, **options)
        error = None
        if dtypes.reduced:
            wide = problem_of(model, moving, objective, samples, device=place, dtype=dtypes.basis)
            error = error_of(done.values, wide, done.basis, scheme[1], grid, done.plan)
    values = done.values.T.reshape(-1, *(len(axis) for axis in axes)).numpy()
    grids = dict(zip(objective.measures, values, strict=True))
    report = {
        "scheme": scheme[0],
        "normalize": norm,
        "perturb": perturb if isinstance(perturb, str) else _name(perturb),
        "directions": "random" if directions is None else ["between models" if b else "given" for b in between],
        "distribution": settings.distribution if directions is None else None,
        "seed": int(settings.seed) if directions is None else None,
        "low_memory": settings.low_memory,
        "marks": marks,
        "precision": settings.precision,
        "precision_error": error,
        **_described(model, layout),
        "samples": problem.size,
        "cosine": norms.cosine(basis.gram, 1, 2) if len(axes) == 2 else None,
        "plan": done.plan.as_dict(),
        "plans_measured": done.timings,
        "kernels": choose(place, done.plan.kernels),
        "fallback": done.reason,
        "not_finite": counts(grids),
        "warnings": warned(grids["loss"], dependence, dtypes.weights, plan.microbatch),
        "peak_megabytes": peak_megabytes(place),
        "seconds": time.perf_counter() - started,
        **environment(place),
    }
    return Landscape(axes[0], axes[1] if len(axes) == 2 else None, grids.pop("loss"), grids, report)


def _basis(
    model: nn.Module,
    layout: Layout,
    directions: Sequence[Direction] | None,
    norm: str,
    settings: Settings,
    *,
    count: int,
    device: torch.device,
    plan: Plan,
) -> Basis:
    """Theta and the directions that the settings ask for."""
    place: dict[str, Any] = {"device": device, "dtype": settings.dtypes.basis, "backend": plan.kernels}
    seed, distribution = settings.seed, settings.distribution
    if settings.low_memory:
        return basis_seeded(model, layout, seed, distribution, norm, count=count, **place)
    if directions is None:
        sources = [partial(direction_random, layout, seed, axis, distribution=distribution) for axis in range(count)]
    else:
        sources = [partial(direction_from, d, layout, model) for d in directions]
    return basis_of(model, layout, sources, norm, **place)


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
        plan = plan_sized(plan, problem.widest(corner, plan.microbatch))
    return plan, problem.batch_dependence(corner, plan.microbatch)


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


def _name(function: Any) -> str:
    return getattr(function, "__qualname__", repr(function))


def _described(model: nn.Module, layout: Layout) -> dict[str, Any]:
    """What was evaluated, for the report."""
    moving = {entry.name for entry in layout.entries}
    return {
        "model": type(model).__name__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perturbed": layout.perturbed,
        "untouched": [name for name, _ in model.named_parameters() if name not in moving],
    }


def chosen(name: str, value: Any, choices: Mapping[str, Any]) -> Any:
    """The value that an argument names, or an error that lists the names."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is unknown; wanted one of {', '.join(map(repr, choices))}")
    return choices[value]


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
