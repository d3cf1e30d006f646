"""Computes measures of the sharpness of the loss at a user's model, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from fastscape.curvature import (
    MEASURES,
    Cost,
    Found,
    Surroundings,
    adaptive_worst_case,
    critical_sharpness,
    hessian_trace,
    largest_eigenvalue,
    m_sharpness,
    pac_bayes_sigma,
    pac_bayes_sigma_relative,
    random_directions,
    worst_case,
)
from fastscape.model import Data
from fastscape.results import SharpnessValue, SharpnessValues, clipped, with_defaults
from fastscape.runs.along_directions import losses_along
from fastscape.runs.checks import check_positive, check_residual, check_whole, is_positive
from fastscape.runs.options import SharpnessOptions
from fastscape.runs.single_point import Point, at_model

__all__ = ["sharpness_of"]

_LEAST = {"m": 1, "steps": 1, "restarts": 1, "directions": 2, "probes": 4, "seed": 0}
_ABOVE_ZERO = "rho", "adaptive_rho", "increase"
_NEED_SLOPES = "worst_case", "adaptive_worst_case", "m_sharpness", "critical_sharpness"
_PER_RADIUS = "random_directions"

Computed = Callable[[Surroundings], Found]


def sharpness_of(model: nn.Module, data: Data, given: SharpnessOptions) -> SharpnessValues:
    """Computes measures of the sharpness of the loss at the model.

    Args:
        model: The user's model. It is not changed.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The values.
    """
    options = with_defaults(SharpnessOptions, given, "sharpness")
    computed = _computed(options, _checked(options))
    return at_model(model, data, options, partial(_sharpness, options, computed), call="sharpness")


def _checked(options: Mapping[str, Any]) -> list[str]:
    """The names of the requested measures, after checking every option."""
    for name, least in _LEAST.items():
        check_whole(name, options[name], least)
    for name in _ABOVE_ZERO:
        check_positive(name, options[name])
    check_residual("tolerance", options["tolerance"])
    radii = options["radii"]
    if not isinstance(radii, Sequence | np.ndarray) or not len(radii) or not all(map(is_positive, radii)):
        raise ValueError(f"radii must be numbers above 0, got {radii!r:.80}; for example radii=[0.1, 0.3]")
    wanted = options["measures"]
    if wanted is None:
        return list(MEASURES)
    if isinstance(wanted, str) or not isinstance(wanted, Sequence) or not wanted:
        raise ValueError(f"measures must be a list of {', '.join(MEASURES)}, got {wanted!r:.80}")
    for name in wanted:
        if name not in MEASURES:
            raise ValueError(f"measures must be some of {', '.join(MEASURES)}, got {clipped(repr(name))}")
    return [name for name in MEASURES if name in wanted]


def _computed(options: SharpnessOptions, names: Sequence[str]) -> dict[str, tuple[str, Computed]]:
    """The function of each value, by name, with the name of its measure."""
    seed, rho, steps = options["seed"], float(options["rho"]), options["steps"]
    climbs: dict[str, Any] = {"steps": steps, "restarts": options["restarts"], "seed": seed}
    noise: dict[str, Any] = {"increase": float(options["increase"]), "count": options["directions"], "seed": seed}
    single: dict[str, Computed] = {
        "worst_case": partial(worst_case, rho=rho, **climbs),
        "adaptive_worst_case": partial(adaptive_worst_case, rho=float(options["adaptive_rho"]), **climbs),
        "m_sharpness": partial(m_sharpness, m=options["m"], rho=rho, steps=steps),
        "pac_bayes_sigma": partial(pac_bayes_sigma, **noise),
        "pac_bayes_sigma_relative": partial(pac_bayes_sigma_relative, **noise),
        "critical_sharpness": critical_sharpness,
        "largest_eigenvalue": partial(largest_eigenvalue, tolerance=options["tolerance"], seed=seed),
        "trace": partial(hessian_trace, probes=options["probes"], seed=seed),
    }
    found: dict[str, tuple[str, Computed]] = {}
    for name in names:
        if name != _PER_RADIUS:
            found[name] = name, single[name]
            continue
        for radius in options["radii"]:
            run = partial(random_directions, radius=float(radius), count=options["directions"], seed=seed)
            found[f"{name}_{float(radius):g}"] = name, run
    return found


def _sharpness(
    options: SharpnessOptions, computed: Mapping[str, tuple[str, Computed]], point: Point
) -> SharpnessValues:
    started, cost = time.perf_counter(), Cost()
    along = partial(losses_along, point, cost)
    around = Surroundings(point.problem, point.layout, point.theta, point.microbatch, along, cost)
    found: dict[str, SharpnessValue] = {}
    with tqdm(total=len(computed), desc="sharpness", unit="", disable=None if options["progress"] else True) as bar:
        for name, (measure, run) in computed.items():
            bar.set_postfix_str(name)
            found[name] = _value(name, measure, run, around)
            bar.update()
    report = {**point.report, **asdict(_spent(around))}
    report["seconds"] = time.perf_counter() - started + point.report["seconds_of_checks"]
    return SharpnessValues(found, len(around.weights), point.problem.size, around.loss, report)


def _value(name: str, measure: str, run: Computed, around: Surroundings) -> SharpnessValue:
    """Computes one measure, with its cost."""
    before, started = _spent(around), time.perf_counter()
    if measure in _NEED_SLOPES:
        around.here  # noqa: B018 - who needs it first pays for it
    made = run(around)
    after = _spent(around)
    cost = {kind: value - getattr(before, kind) for kind, value in asdict(after).items()}
    about = MEASURES[measure]
    return SharpnessValue(
        name,
        made.value,
        made.standard_error,
        about.unit,
        about.formula,
        about.definition,
        about.source,
        about.invariant_to,
        {**cost, "seconds": time.perf_counter() - started},
        {"settings": dict(made.settings), "said": made.said, **made.details},
    )


def _spent(around: Surroundings) -> Cost:
    return replace(around.cost, products=float(around.products))
