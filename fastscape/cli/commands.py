"""The commands that compute landscapes: of one checkpoint, or of several with common directions and one scale."""

from __future__ import annotations

import glob
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

import typer

from fastscape import api
from fastscape.cli.checkpoints import Asked, asking, options_of_command, said
from fastscape.cli.option_texts import DIRECTIONS
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
from fastscape.cli.rehearsal import rehearsed
from fastscape.cli.several_checkpoints import check_alike, names_of, place_of
from fastscape.landscape import Landscape
from fastscape.results import chosen, with_defaults
from fastscape.runs import LineOptions, SurfaceOptions
from fastscape.views import common_scale
from fastscape.weights import POINTS, PRECISIONS, SURFACES, Random, precision_of, random_directions

__all__ = ["line", "surface"]

_Axis = tuple[float, float, int] | None


class _Task(NamedTuple):
    """One of the landscapes to compute.

    Args:
        out: The file to write.
        store: The folder that keeps finished points.
    """

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
        typer.Option(
            "--own-directions",
            help="Scale the directions to each model, instead of the first model.",
            rich_help_panel=DIRECTIONS,
        ),
    ] = False,
    root: Root = None,
    pictures: Pictures = True,
    **given: Any,
) -> None:
    """Compute the loss landscape of a model, or of several with common directions, and draw it."""
    axes = _axes({name: given.pop(name) for name in ("x", "y")}, reach, points)
    files, store = [file for one in checkpoints for file in _expanded(one)], given.pop("store")
    asked = asking(files, given, samples, split, root)
    tasks = _tasks(asked.files, out, store)
    options = options_of_command(given, asked)
    if live and "tolerance" not in options:
        raise ValueError("--live needs --tolerance, whose rounds it shows; write --tolerance 0.005 too, or 0")
    common = len(tasks) > 1 and not own_directions
    if common:
        _check_common(options)
    rehearsed(api.surface, **axes, **options)
    about = _common(asked, options) if common else {}
    landscapes = []
    for k, task in enumerate(tasks):
        started = time.perf_counter()
        network, data = asked.loaded(k)
        own: dict[str, Any] = {"store": task.store, "progress": "live" if live else True}
        landscape = api.surface(network, data, **axes, **own, **options)
        axes = dict(landscape.axes)  # an automatic range is chosen for the first model and used for all
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
    axes = _axes({"x": given.pop("x")}, reach, points)
    started = time.perf_counter()
    asked = asking([checkpoint], given, samples, split, root, most=1)
    options = options_of_command(given, asked)
    to = options.pop("to", None)
    rehearsed(api.line, others=() if to is None else ("to",), **axes, **options)
    if to is not None:
        options["to"] = asked.other(to)
    network, data = asked.loaded()
    landscape = api.line(network, data, **axes, **options)
    said([landscape.save(out)], landscape, started)
    if pictures and len(landscape.x) > 1:
        draw = partial(landscape.plot, metric=list(landscape.repeats or landscape.values))
        typer.echo(str(save_picture(draw, out.with_name(f"{out.stem}-loss.png"))))


def _axes(given: Mapping[str, _Axis], reach: str | None, points: int | None) -> dict[str, Any]:
    """The axes: given axes, and `--reach` and `--points` for the rest."""
    if None not in given.values() and (reach is not None or points is not None):
        raise ValueError(
            f"--reach and --points are for axes not given, got {' and '.join(f'--{name}' for name in given)} too; "
            "leave out one or the other"
        )
    other = reaching(reach, POINTS if points is None else points)
    return {name: other if axis is None else axis for name, axis in given.items()}


def _tasks(files: Sequence[Path], out: Path | None, store: Path | None) -> list[_Task]:
    """A file, and a store if asked for, per model; for several models, in a folder."""
    place = place_of(out, len(files), "landscapes" if len(files) > 1 else "landscape", ".npz")
    if len(files) == 1:
        return [_Task(place, store)]
    return [_Task(place / f"{name}.npz", store / f"{name}.zarr" if store else None) for name in names_of(files)]


def _expanded(given: Path) -> list[Path]:
    """The sorted files that match a pattern, if no shell has expanded it; other names are returned unchanged."""
    if given.exists() or not glob.has_magic(str(given)):
        return [given]
    found = sorted(Path(given.anchor).glob(str(given.relative_to(given.anchor))))
    if not found:
        raise ValueError(f"the pattern must match checkpoints from `fastscape train`, got no file for {given}")
    return found


def _check_common(options: Mapping[str, Any]) -> None:
    """Refuses options that exclude common directions."""
    for name, usual in (("low_memory", False), ("repeats", 1)):
        if options.get(name, usual) != usual:
            raise ValueError(
                f"--{name.replace('_', '-')} cannot be combined with common directions, because it draws directions "
                "again; write --own-directions too"
            )


def _common(asked: Asked, options: dict[str, Any]) -> dict[str, Any]:
    """Puts the directions of the first model into the options for all; checks every model before the first run.

    Returns:
        The facts of the common directions for the reports.

    Raises:
        ValueError: When the models have different architectures.
    """
    every = with_defaults(SurfaceOptions, cast(SurfaceOptions, options), "surface")
    moving = every["perturb"] or Random.perturb
    scheme = chosen("scheme", options.get("scheme", "plane"), SURFACES)
    named = every["precision"]
    precision = None if named is None else chosen("precision", named, PRECISIONS)
    first = asked.network()
    for k, file in enumerate(asked.files[1:], 1):
        check_alike([first, asked.network(k)], [str(asked.files[0]), str(file)], moving)
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
    return {"reference": str(asked.files[0]), **drawn}


def _draw(tasks: Sequence[_Task], landscapes: Sequence[Landscape]) -> None:
    """Draws a map and a surface per landscape; several landscapes share one scale."""
    scale = common_scale(landscapes) if len(tasks) > 1 else None
    drawn: dict[str, Any] = {} if scale is None else {"log": scale[0], "scale": scale[1]}
    for task, landscape in zip(tasks, landscapes, strict=True):
        beside = (task.out.with_name(f"{task.out.stem}-{kind}.png") for kind in ("contour", "surface"))
        for picture in save_pictures(landscape, *beside, **drawn):
            typer.echo(str(picture))
