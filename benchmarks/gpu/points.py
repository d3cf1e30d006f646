"""Milliseconds of a point under every plan, beside the naive loop and the strongest plain loop of torch.

float32 is without TF32. The values under a plan are compared with those of the naive loop at the same points.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

import fastscape
from benchmarks.gpu.baselines import Values, naive, strongest
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting
from benchmarks.problems import PROBLEMS, Problem, image_problem
from benchmarks.rivals import Directions, directions
from fastscape.engine import Evaluator, plan_begun
from fastscape.model import Objective, fixed_samples, observed, problem_of
from fastscape.weights import PRECISIONS, SURFACES, Place, Random, SpaceAsked, source_of, space_of

__all__ = ["PLANS", "entries", "evaluator_of", "offered", "on_device", "setting_problem"]

WHOLE = "all samples"
LOOP: dict[str, Any] = {"batching": "loop", "microbatch": WHOLE}
PLANS: dict[str, dict[str, Any]] = {
    "loop": LOOP,
    "graphs": {**LOOP, "graphs": True},
    "graphs, overlap": {**LOOP, "graphs": True, "overlap": True},
    "overlap": {**LOOP, "overlap": True},
    "channels last": {**LOOP, "memory_format": "channels_last"},
    "channels last, graphs": {**LOOP, "memory_format": "channels_last", "graphs": True},
    "vmap": {"batching": "vmap", "microbatch": WHOLE},
    "compiled": {**LOOP, "compile": True},
    "compiled, graphs": {**LOOP, "compile": True, "graphs": True},
}
"""By label, the options of a plan. What `Plan`, or the device, does not offer is said."""

OF_A_GPU = "graphs", "overlap"
QUICK = "loop", "graphs", "graphs, overlap"
COMPILED = "compiled", "compiled, graphs"
NAIVE, STRONGEST = "naive loop", "max-autotune loop in a CUDA graph"

MORE: dict[str, Callable[[bool], Problem]] = {
    "resnet20-noshort": image_problem("resnet20-noshort", "resnet20-noshort", 128, 3, 32, small="resnet8-noshort"),
    "resnet56-noshort": image_problem("resnet56-noshort", "resnet56-noshort", 64, 3, 32, small="resnet8-noshort"),
    "resnet110": image_problem("resnet110", "resnet110", 64, 3, 32, small="resnet8"),
    "resnet110-noshort": image_problem("resnet110-noshort", "resnet110-noshort", 64, 3, 32, small="resnet8-noshort"),
    "cnn, 10,000 samples": image_problem("cnn", "mnist-cnn", 10_000, 1, 28, small="mnist-cnn"),
    "resnet20, 4,096 samples": image_problem("resnet20", "resnet20", 4096, 3, 32, small="resnet8"),
    "vgg13, 1,024 samples": image_problem("vgg13", "vgg13", 1024, 1, 28, small="mnist-cnn"),
}
"""Problems that only a GPU is measured on: the other networks of the zoo, and as many samples as fill a card."""

BUILT = {**PROBLEMS, **MORE}
FIRST = "vgg13", "resnet20", "language-model"
TINY = "mlp", "language-model"
COMPILING = {"vgg13": 400, "resnet56": 150, "resnet110": 250}  # seconds with max-autotune; others take less
ORDINARY = 75
CHECKED, FLOAT32 = 6, 1e-3  # points that are compared, and what they may differ by, as a share of the range
ROUNDS, ROUND = 5, 0.4  # of how many seconds at least


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage, the worthiest problems first."""
    names = TINY if setting.tiny else (*FIRST, *(name for name in BUILT if name not in FIRST))
    made = []
    for precision in ("float32", "bfloat16"):
        for name in names[:1] if setting.tiny and precision == "bfloat16" else names:
            first = name in FIRST and precision == "float32"
            for label in (NAIVE, *PLANS, STRONGEST):
                title = f"{name}, {precision}: {label}"
                run = partial(measured, setting, name, precision, label)
                made.append(Entry(title, run, _expected(setting, name, label), _rank(first, name, label)))
    return made


def _rank(first: bool, name: str, label: str) -> int:
    """The quick ones of the first problems, then the strongest that they are compared with, then the rest."""
    quick = label in (NAIVE, *QUICK)
    if first:
        return 1 if quick else 3 if label == STRONGEST else 5 if label in COMPILED else 2
    return 4 if quick and name in PROBLEMS else 6 if label in (STRONGEST, *COMPILED) else 5


def _expected(setting: Setting, name: str, label: str) -> float:
    """Seconds of an entry on a GPU."""
    if setting.tiny:
        return 1
    compiling = COMPILING.get(name.removesuffix("-noshort"), ORDINARY)
    return compiling if label == STRONGEST else 0.6 * compiling if label in COMPILED else 6


def measured(setting: Setting, name: str, precision: str, label: str) -> dict[str, Any]:
    """One problem, in one precision, under one plan or by a plain loop."""
    if label in PLANS:
        return planned(setting, name, precision, PLANS[label])
    problem, pair = on_device(setting, name, precision)
    started = time.perf_counter()
    values = naive(problem, pair) if label == NAIVE else strongest(problem, *setting_problem(setting, name))
    points = _points(setting, 8 if setting.tiny else 64)
    made = values(points[:CHECKED]).cpu()
    setting.synchronize()
    before = time.perf_counter() - started
    found = {**_timed(setting, values, points), "seconds before": before}
    return {**found, **_compared(setting, name, precision, made)}


def planned(setting: Setting, name: str, precision: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """One problem, in one precision, under one plan."""
    problem, pair = setting_problem(setting, name)
    plan = offered(setting, options, problem)
    started = time.perf_counter()
    evaluator = evaluator_of(setting, problem, pair, precision, plan)
    try:
        chunk = min(evaluator.plan.chunk, 4) if setting.tiny else evaluator.plan.chunk
        points = _points(setting, max((2 if setting.tiny else 4) * chunk, CHECKED))

        def values(points: Tensor) -> Tensor:
            sums: list[Tensor] = []
            while len(points):  # of a chunk that does not fit into memory only the first points come
                sums.append(evaluator.sums(points[: min(chunk, evaluator.plan.chunk)]))
                points = points[len(sums[-1]) :]
            return torch.cat(sums)[:, 0] / len(problem.inputs)

        made = values(points[:CHECKED]).cpu()
        before = time.perf_counter() - started
        found = {**_timed(setting, values, points), "seconds before": before}
        facts = evaluator.facts
        found |= {"plan": facts["plan"], "fallback": facts["fallback"]}
    finally:
        evaluator.close()
    return {**found, **_compared(setting, name, precision, made)}


def offered(setting: Setting, options: Mapping[str, Any], problem: Problem) -> fastscape.Plan:
    """The plan with these options.

    Raises:
        NotOfferedError: When this version of `Plan` has no such option, or the device.
    """
    known = {field.name for field in dataclasses.fields(fastscape.Plan)}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise NotOfferedError(f"fastscape.Plan has no {' and no '.join(unknown)}")
    if not setting.gpu and any(options.get(name) for name in OF_A_GPU):
        raise NotOfferedError(f"{' and '.join(name for name in OF_A_GPU if options.get(name))} act on a GPU")
    given = {name: len(problem.inputs) if value == WHOLE else value for name, value in options.items()}
    return fastscape.Plan(**given)


def evaluator_of(
    setting: Setting, problem: Problem, pair: Directions, precision: str, plan: fastscape.Plan
) -> Evaluator:
    """What evaluates points as a run does, without its search for a plan: an error is raised, not evaded."""
    place = Place(setting.device, PRECISIONS[precision])
    source = source_of(pair, Random(0), 2)
    space = space_of(problem.model, SpaceAsked(2, source, SURFACES["plane"], "plane", "weights", "none"), place)
    samples = fixed_samples((problem.inputs, problem.targets), device=place.device, dtype=torch.float32)
    own = problem_of(problem.model, space.moving, Objective(problem.loss), samples, place)
    begun = plan_begun(plan, own, space)
    own = observed(own, space.theta(own.dtype), begun.microbatch).problem
    evaluator = Evaluator(space, begun, auto=False, recut=True, comparison=None)
    evaluator.exchange(own)
    return evaluator


@cache
def setting_problem(setting: Setting, name: str) -> tuple[Problem, Directions]:
    """A problem and its directions, on the device, in float32."""
    problem = BUILT[name](setting.tiny)
    pair = directions(problem)
    return _moved(problem, pair, setting.device, torch.float32)


def on_device(setting: Setting, name: str, precision: str) -> tuple[Problem, Directions]:
    """A problem and its directions, on the device, in the dtype to compute in."""
    problem, pair = setting_problem(setting, name)
    return _moved(problem, pair, setting.device, getattr(torch, precision))


def _moved(problem: Problem, pair: Directions, device: torch.device, dtype: torch.dtype) -> tuple[Problem, Directions]:
    def to(tensor: Tensor) -> Tensor:
        return tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)

    model = copy.deepcopy(problem.model).to(device, dtype)
    made = problem._replace(model=model, inputs=to(problem.inputs), targets=to(problem.targets))
    d1, d2 = ({name: to(tensor) for name, tensor in direction.items()} for direction in pair)
    return made, (d1, d2)


def _points(setting: Setting, number: int) -> Tensor:
    """Random points of the square; whoever asks for fewer gets the first of them."""
    return 2 * torch.rand(4096, 2, dtype=torch.float64, generator=setting.generator("points"))[:number] - 1


@cache
def _truth(setting: Setting, name: str) -> Tensor:
    """What the naive loop gives in float32."""
    return naive(*on_device(setting, name, "float32"))(_points(setting, CHECKED))


def _compared(setting: Setting, name: str, precision: str, made: Tensor) -> dict[str, Any]:
    """The largest difference from the naive loop in float32, as a share of the range."""
    truth = _truth(setting, name)
    difference = float((made.double() - truth).abs().max() / ((truth.max() - truth.min()) or 1.0))
    return {"difference": difference, "wrong": precision == "float32" and not difference <= FLOAT32}


def _timed(setting: Setting, values: Values, points: Tensor) -> dict[str, Any]:
    """Milliseconds of a point, once everything is warm, and the spread of the rounds as a share of them."""

    def once(times: int) -> float:
        setting.synchronize()
        started = time.perf_counter()
        for _ in range(times):
            values(points)
        setting.synchronize()
        return time.perf_counter() - started

    once(1)
    alone = once(1)
    times = 1 if setting.tiny else min(max(math.ceil(ROUND / alone), 1), 1000)
    each = [once(times) / times / len(points) for _ in range(2 if setting.tiny else ROUNDS)]
    median = statistics.median(each)
    return {"ms a point": 1e3 * median, "spread": (max(each) - min(each)) / median}
