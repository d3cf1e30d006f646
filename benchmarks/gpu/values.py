"""Values on the card against the CPU's, in float64: every way to evaluate a surface, and what else is offered.

Both sides get the same model, samples and seed. In float64 they may differ by rounding alone, so any larger
difference is an error in what only a GPU does: graphs, streams, kernels, weights that come from elsewhere.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import fastscape
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting
from benchmarks.gpu.surfaces import FLOAT32
from benchmarks.problems import PROBLEMS, Problem
from fastscape import Plan

__all__ = ["ROUNDING", "entries"]

Values = Sequence[np.ndarray]
Computed = Callable[[Problem, bool], Values]

ROUNDING = 1e-9  # of the range: what two orders of the same float64 sums may differ by
ITERATED = 1e-4  # of the range, for what an iteration stops at when it is near enough
SIDE = 5

SURFACES: dict[str, dict[str, Any]] = {
    "loop": {"plan": Plan("loop", chunk=4)},
    "loop, microbatches of three": {"plan": Plan("loop", chunk=4, microbatch=3)},
    "graphs": {"plan": Plan("loop", chunk=4, graphs=True)},
    "graphs, overlap": {"plan": Plan("loop", chunk=4, graphs=True, overlap=True)},
    "overlap": {"plan": Plan("loop", chunk=4, overlap=True)},
    "channels last": {"plan": Plan("loop", chunk=4, memory_format="channels_last")},
    "vmap": {"plan": Plan("vmap", chunk=7)},
    "vmap, hoist": {"plan": Plan("vmap", chunk=7, hoist=True)},
    "products shared": {"plan": Plan("vmap", chunk=7, products="shared")},
    "products fused, float32": {"plan": Plan("vmap", chunk=7, products="fused"), "precision": "float32"},
    "products auto": {"plan": Plan("vmap", chunk=7, products="auto")},
    "compiled, graphs": {"plan": Plan("loop", chunk=4, compile=True, graphs=True)},
    "layers": {"plan": Plan("layers", chunk=4)},
    "layers, weights in main memory": {"plan": Plan("layers", chunk=4), "lend": True, "keep": "cpu"},
    "weights in main memory": {"lend": True, "keep": "cpu"},
    "low memory": {"low_memory": True},
    "low memory, layers": {"low_memory": True, "plan": Plan("layers", chunk=4)},
    "lent": {"lend": True},
    "in place": {"lend": True, "low_memory": True},
    "data in parts": {"stream_samples": 3},
    "the plan that is found": {"x": (-1.0, 1.0, 13), "y": (-1.0, 1.0, 13)},
    "a tolerance": {"x": (-1.0, 1.0, 17), "y": (-1.0, 1.0, 17), "tolerance": 0.005},
    "statistics of the batch": {"batchnorm": "batch"},
    "statistics computed anew": {"batchnorm": "recalibrate"},
    "training mode": {"train_mode": True},
    "all states": {"perturb": "states"},
    "bilinear": {"scheme": "bilinear"},
    "three repeats": {"repeats": 3},
    "derivatives": {"curvature": "plane", "x": (-1.0, 1.0, 3), "y": (-1.0, 1.0, 2)},
    "per class": {"per_class": True, "metrics": {"accuracy": fastscape.accuracy}},
}
"""By label, the options of a surface. The CPU gets all but those in `OF_THE_DEVICE`."""

OF_THE_DEVICE = "plan", "keep", "lend", "precision"
OF_CLASSES = ("per class",)  # needs one class for each sample
PROBLEM_NAMES = "resnet20", "language-model"
TINY = "loop", "vmap", "in place", "alignment", "line to another model"


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    made = []
    for name in PROBLEM_NAMES[-1:] if setting.tiny else PROBLEM_NAMES:
        for label, options in SURFACES.items():
            if label not in (TINY if setting.tiny else SURFACES) or (label in OF_CLASSES and name == "language-model"):
                continue
            slow = "compiled" in label
            allowed = FLOAT32 if "precision" in options else ROUNDING
            run = partial(compared, setting, name, partial(surface, options), allowed)
            made.append(Entry(f"surface, {name}: {label}", run, 60 if slow else 3, 4 if slow else 2))
    for label, (values, allowed) in OTHERS.items():
        if not setting.tiny or label in TINY:
            run = partial(compared, setting, PROBLEM_NAMES[-setting.tiny], values, allowed)
            made.append(Entry(label, run, 5, 3))
    return made


def compared(setting: Setting, name: str, values: Computed, allowed: float) -> dict[str, Any]:
    """The largest difference between the card and the CPU, as a share of the range of the values."""
    try:
        truth = values(_problem(name, torch.device("cpu")), False)
    except ImportError as error:  # its text says which package is missing
        raise NotOfferedError(str(error)) from None
    ours = values(_problem(name, setting.device), True)
    error = max(_difference(one, other) for one, other in zip(ours, truth, strict=True))
    return {"largest difference": error, "allowed": allowed, "wrong": not error <= allowed}


def _difference(ours: np.ndarray, truth: np.ndarray) -> float:
    known = np.isfinite(truth)
    if ours.shape != truth.shape or not np.array_equal(ours[~known], truth[~known], equal_nan=True):
        return float("inf")
    if not known.any():
        return 0.0
    span = float(np.ptp(truth[known])) or float(np.abs(truth[known]).max()) or 1.0
    return float(np.abs(ours[known] - truth[known]).max()) / span


def _problem(name: str, device: torch.device) -> Problem:
    plain = PROBLEMS[name](True)
    inputs = plain.inputs.double() if plain.inputs.is_floating_point() else plain.inputs
    model = copy.deepcopy(plain.model).double().to(device)
    return plain._replace(model=model, inputs=inputs.to(device), targets=plain.targets.to(device))


def _other(problem: Problem) -> nn.Module:
    """Another model of the same architecture."""
    generator = torch.Generator().manual_seed(1)
    other = copy.deepcopy(problem.model)
    with torch.no_grad():
        for parameter in other.parameters():
            step = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter += 0.3 * parameter.abs().mean() * step.to(parameter.device)
    return other


def surface(options: Mapping[str, Any], problem: Problem, card: bool) -> Values:
    """The grids of a surface."""
    asked = {"loss": problem.loss, "x": (-1.0, 1.0, SIDE), "y": (-1.0, 1.0, SIDE), "progress": False, **options}
    if not card:
        asked = {name: value for name, value in asked.items() if name not in OF_THE_DEVICE}
    landscape = fastscape.surface(problem.model, (problem.inputs, problem.targets), **asked)
    return list(landscape.values.values())


def line(problem: Problem, card: bool) -> Values:
    """The line between two models, on which everything moves."""
    data = problem.inputs, problem.targets
    found = fastscape.line(problem.model, data, loss=problem.loss, to=_other(problem), x=(0.0, 1.0, 9), progress=False)
    return list(found.values.values())


def ratio(problem: Problem, card: bool) -> Values:
    """The extreme eigenvalues at the points of a line."""
    data = problem.inputs, problem.targets
    asked = {"curvature": "ratio", "eigenvalue_tolerance": 1e-6, "x": (-0.5, 0.5, 2), "progress": False}
    found = fastscape.line(problem.model, data, loss=problem.loss, **asked)
    return [found.values[name] for name in ("lambda_min", "lambda_max")]


def volume(problem: Problem, card: bool) -> Values:
    """Three axes."""
    data = problem.inputs, problem.targets
    found = fastscape.volume(problem.model, data, loss=problem.loss, axes=[(-1.0, 1.0, 3)] * 3, progress=False)
    return [found.loss]


def barrier(problem: Problem, card: bool) -> Values:
    """The barrier between two models."""
    data = problem.inputs, problem.targets
    found = fastscape.barrier(problem.model, _other(problem), data, loss=problem.loss, points=5, progress=False)
    loss = dict(found.items())["loss"]
    return [np.asarray([loss.start, loss.end, loss.highest.value, loss.lowest.value])]


def spectrum(problem: Problem, card: bool) -> Values:
    """The largest eigenvalues of the Hessian."""
    data = problem.inputs, problem.targets
    asked = {"k": 1, "probes": 2, "steps": 10, "trace_probes": 4, "progress": False}
    found = fastscape.spectrum(problem.model, data, loss=problem.loss, **asked)
    return [np.asarray(found.largest, dtype=float)]


def sharpness(problem: Problem, card: bool) -> Values:
    """Every measure of sharpness."""
    data = problem.inputs, problem.targets
    found = fastscape.sharpness(problem.model, data, loss=problem.loss, probes=4, directions=4, progress=False)
    return [np.asarray([measure.value], dtype=float) for _, measure in found.items()]


def basin_radius(problem: Problem, card: bool) -> Values:
    """The radii along random directions."""
    data = problem.inputs, problem.targets
    asked = {"directions": 4, "worse": "higher", "level": 5.0, "progress": False}
    found = fastscape.basin_radius(problem.model, data, loss=problem.loss, **asked)
    return [np.asarray(found.radii, dtype=float)]


def connected(problem: Problem, card: bool) -> Values:
    """The losses along a curve that was trained for a few steps."""
    data = problem.inputs, problem.targets
    curve = fastscape.connect(
        problem.model,
        _other(problem),
        data,
        loss=problem.loss,
        steps=3,
        batch_size=4,
        train_mode=False,
        progress=False,
    )
    found = fastscape.line(problem.model, data, loss=problem.loss, along=curve, x=(0.0, 1.0, 5), progress=False)
    return [found.loss]


def aligned(problem: Problem, card: bool) -> Values:
    """The weights of a permuted copy."""
    found = fastscape.align(problem.model, (problem.inputs, problem.targets), to=_other(problem), progress=False)
    return [tensor.double().cpu().numpy() for tensor in found.model.state_dict().values() if tensor.numel()]


def stored(problem: Problem, card: bool) -> Values:
    """A surface that was written to a store, and what a second call reads from it."""
    with tempfile.TemporaryDirectory() as folder:
        options = {"store": Path(folder) / "store"}
        return [*surface(options, problem, card), *surface(options, problem, card)]


OTHERS: dict[str, tuple[Computed, float]] = {
    "line to another model": (line, ROUNDING),
    "extreme eigenvalues along a line": (ratio, ITERATED),
    "volume": (volume, ROUNDING),
    "barrier": (barrier, ROUNDING),
    "spectrum": (spectrum, ITERATED),
    "sharpness": (sharpness, ITERATED),
    "basin radius": (basin_radius, ITERATED),
    "curve between models": (connected, 1e-7),
    "alignment": (aligned, ROUNDING),
    "store": (stored, ROUNDING),
}
