"""The commands that compute landscapes: of one checkpoint, or of several on common directions and one scale."""

from __future__ import annotations

import glob
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import nn

from fastscape import api, schemes
from fastscape.comparison import common_scale
from fastscape.demo import save_picture, save_pictures
from fastscape.grid import POINTS
from fastscape.objective import accuracy
from fastscape.options import (
    Checkpoint,
    Checkpoints,
    Device,
    Distribution,
    Live,
    LowMemory,
    Norm,
    Out,
    Perturb,
    Pictures,
    PlanFile,
    Points,
    Precision,
    Reach,
    Root,
    Samples,
    Seed,
    Split,
    StandardError,
    StoreFolder,
    SurfaceOut,
    Tolerance,
)
from fastscape.plan import Plan
from fastscape.result import Landscape, check_path
from fastscape.series import check_alike, common_directions, names_of
from fastscape.settings import chosen
from fastscape.wording import refinement_said
from fastscape.zoo import datasets
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["line", "surface"]

_FEW = 64  # samples
_Axis = tuple[float, float, int] | None


class _Task(NamedTuple):
    """One of the landscapes that are asked for.

    Args:
        checkpoint: Of which model.
        out: The file to write.
        store: Where points are kept.
    """

    checkpoint: Path
    out: Path
    store: Path | None


def surface(
    checkpoints: Checkpoints,
    out: SurfaceOut = None,
    samples: Samples = None,
    split: Split = "train",
    x: Annotated[_Axis, typer.Option(help="Axis along direction 1: start stop count. Default: -1 1 51.")] = None,
    y: Annotated[_Axis, typer.Option(help="Axis along direction 2: start stop count. Default: -1 1 51.")] = None,
    reach: Reach = None,
    points: Points = None,
    scheme: Annotated[str, typer.Option(help=f"How coordinates combine: {', '.join(schemes.SURFACES)}.")] = "plane",
    normalize: Norm = None,
    perturb: Perturb = None,
    distribution: Distribution = "normal",
    precision: Precision = "float32",
    seed: Seed = 0,
    device: Device = None,
    low_memory: LowMemory = False,
    plan: PlanFile = None,
    standard_error: StandardError = None,
    store: StoreFolder = None,
    tolerance: Tolerance = None,
    live: Live = False,
    own_directions: Annotated[
        bool,
        typer.Option("--own-directions", help="Scale the directions to each checkpoint, not to the first of several."),
    ] = False,
    root: Root = None,
    pictures: Pictures = True,
) -> None:
    """Compute the loss landscape of a checkpoint, or of several on common directions, and draw it."""
    if live and tolerance is None:
        raise ValueError("--live shows the rounds of a tolerance; write --tolerance 0.005 too, or 0 for every point")
    if standard_error is not None and tolerance is not None:
        raise ValueError("--tolerance needs all samples, and --standard-error leaves some out; leave out one of them")
    axes = _axes({"x": x, "y": y}, reach, points)
    tasks = _tasks(checkpoints, out, store)
    options = _options(normalize, perturb, distribution, precision, seed, device, low_memory, plan, standard_error)
    about: dict[str, Any] = {}
    if len(tasks) > 1 and not own_directions:
        if low_memory:
            raise ValueError(
                "--low-memory computes the directions anew, which common ones cannot; write --own-directions too"
            )
        about = {
            "reference": str(tasks[0].checkpoint),
            "normalize": normalize or chosen("scheme", scheme, schemes.SURFACES).normalize,
            "distribution": distribution,
            "seed": seed,
        }
        options |= {"directions": _common(tasks, about, perturb, precision), "normalize": None}
    landscapes = []
    for task in tasks:
        started = time.perf_counter()
        network, data = _load(task.checkpoint, _count(samples, standard_error), split, root)
        own: dict[str, Any] = {"store": task.store, "tolerance": tolerance, "progress": "live" if live else True}
        landscape = api.surface(network, data, **axes, scheme=scheme, **own, **options)
        axes = {"x": landscape.x, "y": landscape.y}  # a range that is chosen is chosen for the first, and that of all
        if about:
            landscape = replace(landscape, report={**landscape.report, "common_directions": about})
        _say([landscape.save(task.out)], landscape, started)
        landscapes.append(landscape)
    if pictures and min(landscapes[0].shape) > 1:
        scale = common_scale(landscapes) if len(tasks) > 1 else None
        for task, landscape in zip(tasks, landscapes, strict=True):
            beside = (task.out.with_name(f"{task.out.stem}-{kind}.png") for kind in ("contour", "surface"))
            drawn: dict[str, Any] = {} if scale is None else {"log": scale[0], "scale": scale[1]}
            for picture in save_pictures(landscape, *beside, **drawn):
                typer.echo(str(picture))


def line(
    checkpoint: Checkpoint,
    out: Out = Path("line.npz"),
    to: Annotated[Path | None, typer.Option(help="A second checkpoint, which then lies at coordinate 1.")] = None,
    samples: Samples = None,
    split: Split = "train",
    x: Annotated[_Axis, typer.Option(help="Axis: start stop count. Default: -1 1 51.")] = None,
    reach: Reach = None,
    points: Points = None,
    scheme: Annotated[
        str | None, typer.Option(help="line or plane. Default: line, and plane towards a second checkpoint.")
    ] = None,
    normalize: Norm = None,
    perturb: Perturb = None,
    distribution: Distribution = "normal",
    precision: Precision = "float32",
    seed: Seed = 0,
    device: Device = None,
    low_memory: LowMemory = False,
    plan: PlanFile = None,
    standard_error: StandardError = None,
    store: StoreFolder = None,
    root: Root = None,
    pictures: Pictures = True,
) -> None:
    """Compute the loss of a checkpoint along a line through its weights, and draw it."""
    check_path(out)
    axes = _axes({"x": x}, reach, points)
    started = time.perf_counter()
    network, data = _load(checkpoint, _count(samples, standard_error), split, root)
    other = None if to is None else load_checkpoint(to)[0]
    options = _options(normalize, perturb, distribution, precision, seed, device, low_memory, plan, standard_error)
    landscape = api.line(network, data, **axes, to=other, scheme=scheme, store=store, **options)
    _say([landscape.save(out)], landscape, started)
    if pictures and len(landscape.x) > 1:
        draw = partial(landscape.plot, metric=list(landscape.values))
        typer.echo(str(save_picture(draw, out.with_name(f"{out.stem}-loss.png"))))


def _axes(given: Mapping[str, _Axis], reach: str | None, points: int | None) -> dict[str, Any]:
    """The axes: those that are given, and the others by their reach."""
    if None not in given.values() and (reach is not None or points is not None):
        raise ValueError(
            f"--reach and --points are of axes that are not given, but {' and '.join(f'--{n}' for n in given)} came; "
            "leave out one or the other"
        )
    count = POINTS if points is None else points
    if reach == "auto" and count < 2:
        raise ValueError(f"--points {count} came with --reach auto; wanted at least 2, for example --points 51")
    other: tuple[Any, ...] = ("auto", count)
    if reach != "auto":
        try:
            end = 1.0 if reach is None else float(reach)
        except ValueError:
            end = 0.0
        if not 0 < end < math.inf:
            raise ValueError(f"--reach {reach} came; wanted auto, or a number above 0, for example --reach 0.5")
        other = (-end, end, count)
    return {name: other if axis is None else axis for name, axis in given.items()}


def _options(
    normalize: str | None,
    perturb: str | None,
    distribution: str,
    precision: str,
    seed: int,
    device: str | None,
    low_memory: bool,
    plan: Path | None,
    standard_error: float | None,
) -> dict[str, Any]:
    """What both calls of the library take."""
    return {
        "metrics": {"accuracy": accuracy},
        "normalize": normalize,
        "perturb": perturb,
        "distribution": distribution,
        "precision": precision,
        "seed": seed,
        "device": device,
        "low_memory": low_memory,
        "plan": "auto" if plan is None else Plan.load(plan),
        "standard_error": standard_error,
    }


def _tasks(checkpoints: Sequence[Path], out: Path | None, store: Path | None) -> list[_Task]:
    """One file, and one store if asked for, for each checkpoint; several get theirs in a folder."""
    files = [file for given in checkpoints for file in _expanded(given)]
    if len(files) == 1:
        return [_Task(files[0], check_path(out or "landscape.npz"), store)]
    folder = out or Path("landscapes")
    if folder.suffix == ".npz":
        raise ValueError(f"--out {folder} came with {len(files)} checkpoints; give a folder, for example --out maps")
    return [
        _Task(file, folder / f"{name}.npz", store / f"{name}.zarr" if store else None)
        for file, name in zip(files, names_of(files), strict=True)
    ]


def _expanded(given: Path) -> list[Path]:
    """The files that a pattern means where no shell has expanded it, in their order; others as they are."""
    if given.exists() or not glob.has_magic(str(given)):
        return [given]
    found = sorted(Path(given.anchor).glob(str(given.relative_to(given.anchor))))
    if not found:
        raise ValueError(f"no file matches {given}; give checkpoints that `fastscape train` wrote")
    return found


def _common(tasks: Sequence[_Task], about: dict[str, Any], perturb: str | None, precision: str) -> Sequence[Any]:
    """The directions of the first checkpoint, for all; each of them is looked at before the first is evaluated."""
    moving: Any = perturb or "weights"
    first, _ = load_checkpoint(tasks[0].checkpoint)
    for task in tasks[1:]:
        names = [str(tasks[0].checkpoint), str(task.checkpoint)]
        check_alike([first, load_checkpoint(task.checkpoint)[0]], names, moving)
    options = {name: about[name] for name in ("normalize", "distribution", "seed")}
    dtype = torch.float64 if precision == "float64" else torch.float32
    return common_directions(first, perturb=moving, dtype=dtype, **options)


def _count(samples: int | None, standard_error: float | None) -> int | None:
    """How many samples there are to be: few, unless it is found out how many are needed."""
    return _FEW if samples is None and standard_error is None else samples


def _load(checkpoint: Path, samples: int | None, split: str, root: Path | None) -> tuple[nn.Module, Any]:
    """A trained network, and the first samples of its data set, or all."""
    if samples is not None and samples < 1:
        raise ValueError(f"--samples {samples} came; wanted at least 1, for example --samples 64")
    network, facts = load_checkpoint(checkpoint)
    return network, datasets.load(facts["dataset"], split, root=root)[:samples]


def _say(files: Sequence[Path], landscape: Landscape, started: float) -> None:
    for file in files:
        typer.echo(str(file))
    samples, error = str(landscape.report["samples"]), landscape.report["standard_error"] or {}
    if "target" in error:
        samples += f" of {error['available']}"
    typer.echo(f"{landscape!r}, {samples} samples, {time.perf_counter() - started:.1f} s")
    if not error.get("met", True):
        typer.echo(f"the standard error is not everywhere within {error['target']:g} of the range")
    if said := refinement_said(landscape):
        typer.echo(said)
