"""The commands that compute landscapes: of one checkpoint, or of several on common directions and one scale."""

from __future__ import annotations

import glob
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer

from fastscape import api
from fastscape.cli.checkpoints import asking, loaded, options_of_command, said
from fastscape.cli.options import (
    Checkpoint,
    Checkpoints,
    Live,
    Out,
    Pictures,
    Points,
    Reach,
    Root,
    Samples,
    Split,
    SurfaceOut,
    offering,
    reaching,
)
from fastscape.cli.own_models import OwnMeasures
from fastscape.cli.pictures import save_picture, save_pictures
from fastscape.cli.several_checkpoints import check_alike, names_of
from fastscape.landscape import Landscape
from fastscape.results import check_path, chosen, with_defaults
from fastscape.runs import LineOptions, SurfaceOptions
from fastscape.views import common_scale
from fastscape.weights import POINTS, PRECISIONS, SURFACES, Random, precision_of, random_directions
from fastscape.zoo.checkpoints import load_checkpoint

__all__ = ["line", "surface"]

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


@offering(OwnMeasures, SurfaceOptions)
def surface(
    checkpoints: Checkpoints,
    out: SurfaceOut = None,
    samples: Samples = None,
    split: Split = None,
    reach: Reach = None,
    points: Points = None,
    live: Live = False,
    own_directions: Annotated[
        bool,
        typer.Option("--own-directions", help="Scale the directions to each checkpoint, not to the first of several."),
    ] = False,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the loss landscape of a model, or of several checkpoints on common directions, and draw it."""
    axes = _axes({name: given.pop(name) for name in ("x", "y")}, reach, points)
    tasks = _tasks(checkpoints, out, given.pop("store"))
    asked = asking([task.checkpoint for task in tasks], given, samples, split, root)
    options = options_of_command(given, asked)
    if live and "tolerance" not in options:
        raise ValueError("--live shows the rounds of a tolerance; write --tolerance 0.005 too, or 0 for every point")
    about: dict[str, Any] = {}
    if len(tasks) > 1 and not own_directions:
        about = _common(tasks, options)
    landscapes = []
    for task in tasks:
        started = time.perf_counter()
        network, data = loaded(task.checkpoint, asked)
        own: dict[str, Any] = {"store": task.store, "progress": "live" if live else True}
        landscape = api.surface(network, data, **axes, **own, **options)
        axes = dict(landscape.axes)  # a range that is chosen is chosen for the first, and that of all
        if about:
            landscape = landscape.with_report({**landscape.report, "common_directions": about})
        said([landscape.save(task.out)], landscape, started)
        landscapes.append(landscape)
    if pictures and min(landscapes[0].shape) > 1:
        _draw(tasks, landscapes)


@offering(OwnMeasures, LineOptions)
def line(
    checkpoint: Checkpoint,
    out: Out = Path("line.npz"),
    samples: Samples = None,
    split: Split = None,
    reach: Reach = None,
    points: Points = None,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the loss of a model along a line through its weights, and draw it."""
    check_path(out)
    axes = _axes({"x": given.pop("x")}, reach, points)
    started = time.perf_counter()
    asked = asking([checkpoint], given, samples, split, root)
    options = options_of_command(given, asked)
    if "to" in options:
        options["to"] = asked.other(options["to"])
    network, data = loaded(checkpoint, asked)
    landscape = api.line(network, data, **axes, **options)
    said([landscape.save(out)], landscape, started)
    if pictures and len(landscape.x) > 1:
        draw = partial(landscape.plot, metric=list(landscape.repeats or landscape.values))
        typer.echo(str(save_picture(draw, out.with_name(f"{out.stem}-loss.png"))))


def _axes(given: Mapping[str, _Axis], reach: str | None, points: int | None) -> dict[str, Any]:
    """The axes: those that are given, and the others by their reach."""
    if None not in given.values() and (reach is not None or points is not None):
        raise ValueError(
            f"--reach and --points are of axes that are not given, but {' and '.join(f'--{n}' for n in given)} came; "
            "leave out one or the other"
        )
    other = reaching(reach, POINTS if points is None else points)
    return {name: other if axis is None else axis for name, axis in given.items()}


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


def _common(tasks: Sequence[_Task], options: dict[str, Any]) -> dict[str, Any]:
    """Puts the directions of the first checkpoint, for all, into the options; each is looked at before the first run.

    Returns:
        What the reports say of them.

    Raises:
        ValueError: When they cannot be common: low memory, repeats, no such scheme, another architecture.
    """
    if options.get("low_memory"):
        raise ValueError(
            "--low-memory computes the directions anew, which common ones cannot; write --own-directions too"
        )
    if options.get("repeats", 1) != 1:
        raise ValueError("--repeats draws directions again, which common ones cannot; write --own-directions too")
    every = with_defaults(SurfaceOptions, cast(SurfaceOptions, options), "surface")
    moving = every["perturb"] or Random.perturb
    scheme = chosen("scheme", options.get("scheme", "plane"), SURFACES)
    named = every["precision"]
    precision = None if named is None else chosen("precision", named, PRECISIONS)
    first, _ = load_checkpoint(tasks[0].checkpoint)
    for task in tasks[1:]:
        names = [str(tasks[0].checkpoint), str(task.checkpoint)]
        check_alike([first, load_checkpoint(task.checkpoint)[0]], names, moving)
    drawn: dict[str, Any] = {
        "normalize": options.pop("normalize", scheme.normalize),
        "distribution": every["distribution"],
        "seed": every["seed"],
    }
    for name in ("distribution", "seed"):
        options.pop(name, None)
    options["directions"] = random_directions(
        first, perturb=moving, dtype=(precision or PRECISIONS[precision_of(first)[0]]).basis, **drawn
    )
    return {"reference": str(tasks[0].checkpoint), **drawn}


def _draw(tasks: Sequence[_Task], landscapes: Sequence[Landscape]) -> None:
    """Draws a map and a surface of each, several on one scale."""
    scale = common_scale(landscapes) if len(tasks) > 1 else None
    drawn: dict[str, Any] = {} if scale is None else {"log": scale[0], "scale": scale[1]}
    for task, landscape in zip(tasks, landscapes, strict=True):
        beside = (task.out.with_name(f"{task.out.stem}-{kind}.png") for kind in ("contour", "surface"))
        for picture in save_pictures(landscape, *beside, **drawn):
            typer.echo(str(picture))
