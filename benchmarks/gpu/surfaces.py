"""Whole surfaces, as a user computes them: with the search for a plan, and what it found.

And ours against the CPU's: float64 on the CPU is the truth, and neither the surface of the CPU nor that of the card
may be further from it than the naive loop in float32 on the same device, plus a share of the range.
"""

from __future__ import annotations

import copy
import importlib
import time
from functools import partial
from typing import Any

import numpy as np
import torch

import fastscape
from benchmarks.gpu.points import setting_problem
from benchmarks.gpu.setting import Entry, NotOfferedError, Setting
from benchmarks.problems import PROBLEMS
from benchmarks.rivals import directions
from fastscape import reference

__all__ = ["FLOAT32", "entries"]

SIDE, SMALL = 51, 5
TOLERANCE = 0.005
FLOAT32 = 1e-5  # of the range: what float32 may lose beyond the plain loop in float32
OTHERS = {"resnet20": 30, "language-model": 30, "resnet56": 60, "cnn": 20, "mlp": 10, "encoder": 20}
REPORTED = "plan", "plans_measured", "fallback"


def entries(setting: Setting) -> list[Entry]:
    """The entries of this stage."""
    vgg13 = "mlp" if setting.tiny else "vgg13"
    made = [
        Entry("equal to the CPU's, resnet20", partial(equal, setting, "resnet20"), 10, 0),
        Entry("equal to the CPU's, language-model", partial(equal, setting, "language-model"), 10, 1),
        _entry(setting, vgg13, 60, 1, "float32"),
        _entry(setting, vgg13, 40, 3, "float32", tolerance=TOLERANCE),
        _entry(setting, vgg13, 60, 3, "bfloat16"),
    ]
    others = {"cnn": 1.0} if setting.tiny else OTHERS
    return [*made, *(_entry(setting, name, seconds, 4, "float32") for name, seconds in others.items())]


def _entry(setting: Setting, name: str, seconds: float, rank: int, precision: str, **options: Any) -> Entry:
    side = SMALL if setting.tiny else SIDE
    more = "".join(f", {option} {value:g}" for option, value in options.items())
    run = partial(surface, setting, name, precision, options)
    return Entry(f"{name}, {side} x {side}, {precision}{more}", run, 2 if setting.tiny else seconds, rank)


def surface(setting: Setting, name: str, precision: str, options: dict[str, Any]) -> dict[str, Any]:
    """The whole surface of one problem, by the plan that is found, with everything that a call does."""
    if "tolerance" in options:
        try:
            importlib.import_module("scipy")
        except ImportError:
            raise NotOfferedError("a tolerance needs scipy, which is not installed here") from None
    problem, pair = setting_problem(setting, name)
    axis = (-1.0, 1.0, 17 if setting.tiny and options else SMALL if setting.tiny else SIDE)
    asked = {"loss": problem.loss, "x": axis, "y": axis, "precision": precision, "progress": False, **options}
    seconds = []
    for _ in range(1 if setting.tiny else 2):  # the first call also loads libraries and compiles kernels
        setting.synchronize()
        started = time.perf_counter()
        landscape = fastscape.surface(problem.model, (problem.inputs, problem.targets), directions=pair, **asked)
        seconds.append(time.perf_counter() - started)
    report = landscape.report
    found = {"seconds": seconds[-1], "points": axis[2] ** 2, "ms a point": 1e3 * seconds[-1] / axis[2] ** 2}
    found["seconds of the first call"] = seconds[0]
    found |= {what: report[what] for what in REPORTED if what in report}
    found["wrong"] = not bool(np.isfinite(landscape.loss).all())
    if options:
        known = landscape.evaluated
        found["evaluated"] = int(known.sum()) if known is not None else axis[2] ** 2
    return found


def equal(setting: Setting, name: str) -> dict[str, Any]:
    """A small surface on the card and on the CPU, both against float64 on the CPU."""
    plain = PROBLEMS[name](True)
    pair, axis = directions(plain), np.linspace(-1, 1, 3 if setting.tiny else SMALL)
    truth = reference.surface(plain.model, (plain.inputs, plain.targets), pair, axis, axis, loss=plain.loss)
    span = float(np.ptp(truth)) or 1.0
    found: dict[str, Any] = {"allowed beyond the plain loop": FLOAT32, "wrong": False}
    for device in dict.fromkeys((torch.device("cpu"), setting.device)):
        model = copy.deepcopy(plain.model).to(device)
        inputs, targets = plain.inputs.to(device), plain.targets.to(device)
        own = [{n: t.to(device) for n, t in direction.items()} for direction in pair]
        asked = {"loss": plain.loss, "x": axis, "y": axis, "precision": "float32", "progress": False}
        ours = fastscape.surface(model, (inputs, targets), directions=own, **asked).loss
        loop = reference.surface_naive(model, inputs, targets, tuple(own), axis, axis, loss=plain.loss)
        errors = [float(np.abs(values - truth).max()) / span for values in (ours, loop)]
        found[f"error on {device.type}"], found[f"plain loop on {device.type}"] = errors
        found["wrong"] |= not errors[0] <= errors[1] + FLOAT32
    return found
