"""The commands that show landscapes from files: pictures, the page, and files for other programs."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from fastscape.cli.landscape_files import check_landscape_file, landscape_in
from fastscape.cli.option_texts import INPUT, MEASURES, OUTPUT, PICTURE, WALK
from fastscape.cli.options import choice, offering
from fastscape.cli.pictures import ENDINGS, save_picture
from fastscape.cli.rehearsal import bowl
from fastscape.cli.values import a_size, above_zero, at_least, either, ending_in
from fastscape.landscape import Landscape
from fastscape.views import compare, drawn_by, to_html

__all__ = ["explore", "export", "plot"]

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", help="Landscapes; several are drawn side by side on one scale.", rich_help_panel=INPUT
    ),
]
_KINDS, _HOWS = ("contour", "surface3d"), ("slice", "min", "mean")
_EXPORTED = ".csv", ".h5", ".hdf5", ".vts", ".vtp", ".vti", ".vtr"


@offering()
def plot(
    files: Files,
    out: Annotated[
        Path,
        typer.Option(
            help=f"Picture to write: {either(ENDINGS)}.", rich_help_panel=OUTPUT, callback=ending_in("--out", *ENDINGS)
        ),
    ] = Path("landscape.png"),
    kind: Annotated[
        str | None,
        choice("--kind", _KINDS, PICTURE, "Picture of a plane. Default: contour."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Measure: loss (default) or a metric; repeatable for one file.", rich_help_panel=MEASURES),
    ] = None,
    log: Annotated[
        bool | None,
        typer.Option(
            "--log/--linear",
            help="Scale of the values. Default: log for the loss on a plane if no loss is negative.",
            rich_help_panel=PICTURE,
        ),
    ] = None,
    clip: Annotated[
        float | None, typer.Option(help="Largest value drawn; higher values are cut.", rich_help_panel=PICTURE)
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="Size: column (of a paper), slide, or inches, as 5x4. Default: 7x5.5 at most.",
            metavar="[column|slide|WxH]",
            rich_help_panel=PICTURE,
            callback=a_size("--size"),
        ),
    ] = None,
    how: Annotated[
        str | None,
        choice("--how", _HOWS, PICTURE, "Axes outside a panel, for three axes or more. Default: slice."),
    ] = None,
    start: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Start of an optimizer walk drawn on the plane.", metavar="X Y", rich_help_panel=WALK),
    ] = None,
    optimizer: Annotated[
        str | None,
        typer.Option(help="Optimizer for the walk: nadam (default), adam, momentum, sgd, ...", rich_help_panel=WALK),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Number of steps of the walk. Default: 30.", rich_help_panel=WALK, callback=at_least("--steps", 0)
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Learning rate of the walk. Default: 0.1.", rich_help_panel=WALK, callback=above_zero("--lr")
        ),
    ] = None,
) -> None:
    """Draw landscapes: a line, a plane with a walk, planes side by side, or a map for each pair of several axes."""
    given = {"optimizer": optimizer, "steps": steps, "lr": lr}
    walk: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    named = metric or ["loss"]
    _check_walk(walk, start, named, len(files))
    for file in files:
        check_landscape_file(file)
    landscapes = [landscape_in(file) for file in files]
    _check_axes(landscapes[0], kind, how)
    options: dict[str, Any] = {"clip": clip} | ({} if log is None else {"log": log})
    if size is not None:
        _check_sized(landscapes, named)
        options["size"] = size
    save_picture(_drawing(landscapes, files, kind, how, start, {**options, "metric": named}, walk), out)
    typer.echo(str(out))


def explore(
    files: Files,
    out: Annotated[
        Path,
        typer.Option(help="Page to write.", rich_help_panel=OUTPUT, callback=ending_in("--out", ".html", ".htm")),
    ] = Path("explorer.html"),
    basins: Annotated[
        bool, typer.Option("--basins", help="Name and outline the basins.", rich_help_panel=PICTURE)
    ] = False,
    show: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Write a page for the browser: planes on which optimizers walk, or level surfaces of three axes."""
    for file in files:
        check_landscape_file(file)
    landscapes = [landscape_in(file) for file in files]
    for file, landscape in zip(files, landscapes, strict=True):
        if len(landscape.axes) == 1:
            raise ValueError(f"the landscape must have two axes or three, got a line; write fastscape plot {file}")
    topology = [landscape.topology() for landscape in landscapes] if basins else None
    typer.echo(str(to_html(landscapes, out, names=[file.stem for file in files], topology=topology)))
    if show and not webbrowser.open(out.resolve().as_uri()):
        raise ValueError(f"no browser could be started here; open {out} in a browser yourself")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Landscape.", rich_help_panel=INPUT)],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help=f"File to write: {either(_EXPORTED)}.",
            rich_help_panel=OUTPUT,
            callback=ending_in("the file to write", *_EXPORTED),
        ),
    ],
) -> None:
    """Write a landscape for other programs: a spreadsheet, the plots of Li et al., ParaView."""
    typer.echo(landscape_in(file).export(out))


def _check_walk(walk: dict[str, Any], start: tuple[float, float] | None, named: Sequence[str], count: int) -> None:
    """Refuses options of a walk without a start, and a walk that cannot be drawn."""
    if len(named) > 1 and (start is not None or count > 1):
        raise ValueError(f"--metric must come once for several landscapes or a walk, got {', '.join(named):.200}")
    if start is not None and count > 1:
        raise ValueError(f"--start must come with one landscape, got {count}")
    if walk and start is None:
        raise ValueError(f"--{next(iter(walk))} needs --start; write --start X Y to walk from there")
    if walk:
        bowl().descend((0.5, 0.5), **{"steps": 0, **{name: one for name, one in walk.items() if name != "steps"}})


def _check_axes(landscape: Landscape, kind: str | None, how: str | None) -> None:
    """Refuses options for pictures with a different number of axes."""
    axes = len(landscape.axes)
    if kind is not None and axes != 2:
        drawn = "has one kind of picture" if axes == 1 else "is drawn as a map for each pair of axes"
        raise ValueError(f"--kind is for a landscape of 2 axes, got {axes}, which {drawn}; leave it out")
    if how is not None and axes < 3:
        raise ValueError(f"--how is for a landscape of 3 axes or more, got {axes}; leave it out")


def _check_sized(landscapes: Sequence[Landscape], named: Sequence[str]) -> None:
    """Refuses a size for pictures of several panels, whose number says their size."""
    axes = len(landscapes[0].axes)
    if len(landscapes) > 1:
        came = f"{len(landscapes)} landscapes"
    elif axes > 2:
        came = f"a landscape of {axes} axes, which has several panels"
    elif axes == 2 and len(named) > 1:
        came = f"{len(named)} measures"
    else:
        return
    raise ValueError(f"--size is for the picture of one line, or of one measure of a plane, got {came}; leave it out")


def _drawing(
    landscapes: Sequence[Landscape],
    files: Sequence[Path],
    kind: str | None,
    how: str | None,
    start: tuple[float, float] | None,
    options: dict[str, Any],
    walk: dict[str, Any],
) -> Any:
    """The function that draws the picture."""
    (first, *others), named = landscapes, options.pop("metric")
    one: dict[str, Any] = {**options, "metric": named[0]}
    picture = cast(Any, kind or "contour")
    if len(first.axes) > 2 and start is None and not others and len(named) < 2:
        return lambda: first.plot(**one | ({} if how is None else {"how": how}))[0]
    if others:
        names = [file.stem for file in files]
        return lambda: compare(landscapes, names=names, kind=picture, **one)[0]
    if len(first.axes) == 1 and start is None:
        return partial(first.plot, **options, metric=named)
    if len(named) > 1:
        return lambda: compare(first, kind=picture, **options, metric=named)[0]
    if start is not None:
        path = first.descend(start, metric=named[0], log=options.get("log"), **walk)
        one["paths"] = [path]
        typer.echo(repr(path))
    return partial(drawn_by(picture), first, **one)
