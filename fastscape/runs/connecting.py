"""Trains a curve of low loss between two models; models and data are prepared and checked as for a landscape."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from fastscape.model import Data, DataSets, data_sets_in, in_batches, name_of, statistics_of
from fastscape.paths import CURVE, SHAPES, Batches, Curve, Keeping, Moving, Task, started, stepped
from fastscape.results import chosen, options_of, with_defaults
from fastscape.runs.checks import check_whole
from fastscape.runs.options import ConnectOptions
from fastscape.runs.single_point import Point, at_model
from fastscape.runs.space_asked import check_model
from fastscape.weights import (
    Layout,
    Other,
    OtherGiven,
    every_tensor,
    listed,
    model_given,
    named_as,
    other_read,
    staying,
    warn_of_other_code,
)

__all__ = ["curve_between"]

EPOCHS, BATCH = 20, 64
IMAGES = 7
"""Default number of images of a band: even this few follow a bend."""

MOMENTUM = 0.9
_ABOVE_ZERO = "lr", "spring"


class _Asked(NamedTuple):
    """The request, with the defaults that depend on each other.

    Args:
        model: The first model.
        other: The last model.
        options: The options that the user gave, with all defaults.
        bends: Number of bends.
        owns_batches: Whether the data have batches of their own.
    """

    model: nn.Module
    other: Other
    options: Mapping[str, Any]
    bends: int
    owns_batches: bool


def curve_between(a: nn.Module, b: OtherGiven, data: Data, given: ConnectOptions) -> Curve:
    """Trains a curve between two models.

    Args:
        a: The first model. It is not changed.
        b: The last model, its state dict, or the path of a file with one.
        data: The user's data.
        given: The options that the user gave.

    Returns:
        The curve.

    Raises:
        TypeError: When `b` is not a model.
    """
    options: dict[str, Any] = dict(with_defaults(ConnectOptions, given, "connect"))
    check_model(a)
    b = other_read(b, "b")
    if not isinstance(b, nn.Module | Mapping):
        raise TypeError(
            "b must be a torch.nn.Module like the first, its state dict, or the path of a file with one, got "
            f"{type(b).__name__}"
        )
    _check(options)
    band = options["curve"] == "band"
    bends = options["bends"] if options["bends"] is not None else IMAGES if band else 1
    data, owns = _in_batches(data, options)
    warn_of_other_code(a, b)
    asked = _Asked(a, model_given(a, b), options, bends, owns)
    batchnorm = "batch" if options["train_mode"] and statistics_of(a) else "running"
    whole = {**options, "batchnorm": batchnorm, "microbatch": None}
    return at_model(a, data, whole, partial(_trained, asked), call="connect", doubted=False)


def _check(options: Mapping[str, Any]) -> None:
    """Refuses options with a wrong type or an unknown value."""
    chosen("curve", options["curve"], SHAPES)
    for name, least in {"bends": 1, "epochs": 1, "steps": 1, "batch_size": 1}.items():
        if options[name] is not None:
            check_whole(name, options[name], least)
    check_whole("seed", options["seed"], 0)
    for name in _ABOVE_ZERO:
        value = options[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {value!r:.80}; for example {name}=0.01")
    if options["optimizer"] is not None and options["lr"] != options_of(ConnectOptions)["lr"][1].default:
        raise ValueError(f"lr={options['lr']} came besides an optimizer, which has a rate of its own; leave out lr")
    if options["curve"] != "band" and options["spring"] != options_of(ConnectOptions)["spring"][1].default:
        raise ValueError(f"spring={options['spring']} is for curve='band', and curve={options['curve']!r} came")
    if options["epochs"] is not None and options["steps"] is not None:
        raise ValueError("epochs and steps cannot both be given; leave out one of them")
    for name in ("optimizer", "scheduler"):
        if options[name] is not None and not callable(options[name]):
            raise TypeError(
                f"{name} must be a function that makes an optimizer or a scheduler, got "
                f"{type(options[name]).__name__}; for example optimizer=lambda params: torch.optim.Adam(params, "
                "lr=1e-3)"
            )
    store = options["store"]
    if store is not None and (not isinstance(store, str | Path) and not hasattr(store, "__fspath__")):
        raise TypeError(f"store must be the name of a folder, got {store!r:.80}; for example 'curve'")


def _in_batches(data: Data, options: Mapping[str, Any]) -> tuple[Data, bool]:
    """The training data in batches (the first of several data sets), and whether the batches are its own."""
    pairs = options["objective"] is None
    data = data_sets_in(data, pairs=pairs)
    if isinstance(data, DataSets):
        data = next(iter(data.values()))
    cut = in_batches(data, options["batch_size"] or BATCH, pairs=pairs)
    if cut is not None:
        return cut, False
    if options["batch_size"] is not None:
        raise ValueError(
            f"batch_size={options['batch_size']} needs data without batches of their own, got {type(data).__name__}; "
            "leave it out, or give tensors or a Dataset"
        )
    return data, True


def _trained(asked: _Asked, point: Point) -> Curve:
    """The curve, trained from the state in the store, if there is one."""
    begun, options = time.perf_counter(), asked.options
    task = _task(asked, point)
    moving = started(task, options["optimizer"] or partial(_sgd, options["lr"]), options["scheduler"] or _falling)
    keeping = _keeping(asked, point, task, moving)
    step = 0 if keeping is None else keeping.taken_up(moving)
    _train(task, moving, keeping, step, progress=options["progress"] is True)
    report = {**point.report, **_facts(asked, task, moving)}
    report["seconds"] = time.perf_counter() - begun + point.report["seconds_of_checks"]
    made = _curve(asked, point, task, moving, report)
    if keeping is not None:
        made.save(keeping.folder / CURVE)
    return made


def _task(asked: _Asked, point: Point) -> Task:
    """The task of the training, after checking that both models match."""
    options, layout = asked.options, point.layout
    ends = _ends(asked, point)
    problem = replace(point.problem, samples=[])
    size = None if asked.owns_batches else options["batch_size"] or BATCH
    batches = Batches(problem, [batch for batch in point.given if not batch.of], size, options["seed"])
    steps = options["steps"] or (options["epochs"] or EPOCHS) * batches.in_an_epoch
    return Task(
        problem, layout, ends, options["curve"], asked.bends, batches, steps, options["seed"], float(options["spring"])
    )


def _ends(asked: _Asked, point: Point) -> Tensor:
    """Both models as rows [2, P], in the dtype of the basis, on the device."""
    layout, first = point.layout, point.work.space.basis.theta
    moving = {entry.name for entry in layout.entries}
    free = statistics_of(asked.model) if asked.options["train_mode"] else set()
    differ = staying(asked.model, moving, asked.other, unused=free)
    if differ:
        raise ValueError(
            f"the two models differ in {listed(differ)}, where nothing moves; write perturb='states', which moves all "
            "floating-point tensors, or give models that agree there"
        )
    there = named_as(list(every_tensor(asked.model)), asked.other)
    last = layout.flatten({name: there[name] for name in moving}, dtype=first.dtype, device=first.device)
    for name, row in (("first", first), ("last", last)):
        if not bool(row.isfinite().all()):
            raise ValueError(f"the {name} model has weights that are NaN or infinite; give another one")
    if torch.equal(first, last):
        raise ValueError("both models have the same weights, so that no curve leads from one to the other")
    return torch.stack([first, last])


def _sgd(lr: float, parameters: list[nn.Parameter]) -> Optimizer:
    return torch.optim.SGD(parameters, lr=lr, momentum=MOMENTUM)


def _falling(optimizer: Optimizer, steps: int) -> LambdaLR:
    """The rate of the paper: constant for half of the steps, then down to a hundredth at nine tenths.

    Args:
        optimizer: The optimizer.
        steps: Number of steps.

    Returns:
        The scheduler.

    Source: Garipov et al. 2018, arXiv 1802.10026, appendix A.2.
    """

    def factor(step: int) -> float:
        done = step / steps
        return 1.0 if done <= 0.5 else 1.0 - (min(done, 0.9) - 0.5) / 0.4 * 0.99

    return LambdaLR(optimizer, factor)


def _keeping(asked: _Asked, point: Point, task: Task, moving: Moving) -> Keeping | None:
    """The keeper of the training state, if a store is given."""
    store = asked.options["store"]
    if store is None:
        return None
    group = {name: value for name, value in moving.optimizer.param_groups[0].items() if name != "params"}
    about = {
        **{name: point.report[name] for name in ("weights_hash", "data_hash", "samples")},
        "other_hash": hashlib.sha256(task.ends[1].cpu().numpy().tobytes()).hexdigest(),
        **_facts(asked, task, moving),
        "batches": [batch.samples for batch in task.batches.given],
        **{f"{name} of the optimizer": value for name, value in _plain(group).items()},
        **{f"{name} of the scheduler": value for name, value in _plain(moving.scheduler.state_dict()).items()},
    }
    return Keeping(Path(store), about, float(point.report["centre"]["loss"]))


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are numbers, words or sequences of these, by which a different training is recognised."""
    kinds = int | float | str | bool | None
    return {
        name: list(value) if isinstance(value, list | tuple) else value
        for name, value in settings.items()
        if all(isinstance(one, kinds) for one in (value if isinstance(value, list | tuple) else [value]))
    }


def _facts(asked: _Asked, task: Task, moving: Moving) -> dict[str, Any]:
    """How the curve is trained, as plain values."""
    options = asked.options
    custom, perturb, scheduler = options["objective"], options["perturb"], options["scheduler"]
    return {
        "curve": options["curve"],
        "bends": asked.bends,
        "steps": task.steps,
        "steps_in_an_epoch": task.batches.in_an_epoch,
        "batch_size": task.batches.size,
        "optimizer": type(moving.optimizer).__name__,
        "scheduler": "as in the paper" if scheduler is None else type(moving.scheduler).__name__,
        "spring": task.spring if options["curve"] == "band" else None,
        "train_mode": options["train_mode"],
        "seed": task.seed,
        "loss": None if custom else name_of(options["loss"]),
        "objective": name_of(custom) if custom else None,
        "perturb": perturb if isinstance(perturb, str) else name_of(perturb),
        "moving": [entry.name for entry in task.layout.entries],
        "precision": options["precision"],
    }


def _train(task: Task, moving: Moving, keeping: Keeping | None, step: int, *, progress: bool) -> None:
    """Takes all remaining steps, and saves the state now and then, at the end, and at an error or a signal."""
    done, whole = step, True
    if keeping is not None and not step:
        keeping.keep(moving, 0)
    bar = tqdm(total=task.steps, initial=step, desc="connect", unit="step", disable=None if progress else True)
    try:
        with bar:
            while done < task.steps:
                stepped(task, moving, done)
                whole = False
                moving.optimizer.step()
                moving.scheduler.step()
                done, whole = done + 1, True
                bar.set_postfix_str(f"loss {moving.losses[-1]:.4g}", refresh=False)
                bar.update()
                if keeping is not None and keeping.due():
                    keeping.keep(moving, done)
    except KeyboardInterrupt:
        if keeping is not None and whole:
            del moving.losses[done:]
            keeping.keep(moving, done)
        raise
    if keeping is not None and done > step:
        keeping.keep(moving, done)


def _curve(asked: _Asked, point: Point, task: Task, moving: Moving, report: Mapping[str, Any]) -> Curve:
    """The curve, with everything that its file needs."""
    first, last = task.ends
    rows = torch.stack([first, *moving.bends.detach(), last]).cpu()
    if not bool(rows.isfinite().all()):
        raise ValueError(
            f"the bends are not finite after {task.steps} steps; write a smaller learning rate, for example "
            f"lr={moving.rate / 10:.2g}"
        )
    layout: Layout = task.layout
    points = {name: tensor.clone() for name, tensor in layout.unflatten(rows).items()}
    return Curve.of(asked.model, asked.options["curve"], points, moving.losses, report)
