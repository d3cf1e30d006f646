"""The options of commands: those that commands have of their own, and those that they take from the library."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from fastscape.results import Option, options_of
from fastscape.zoo import models

__all__ = [
    "MODELS",
    "OWN",
    "Checkpoint",
    "Checkpoints",
    "Device",
    "Live",
    "Out",
    "Pictures",
    "Points",
    "Reach",
    "Root",
    "Samples",
    "Seed",
    "Split",
    "SurfaceOut",
    "offering",
    "reaching",
]

F = TypeVar("F", bound=Callable[..., Any])

MODELS = f"Network: {', '.join(models.MODELS)}, or a ResNet of another depth 6n+2."
Seed = Annotated[int, typer.Option(help="Seed of everything that is random.")]
Device = Annotated[str | None, typer.Option(help="Where to compute, for example cuda.")]
Root = Annotated[
    Path | None, typer.Option(help="Folder of the data sets. Default: FASTSCAPE_DATA or ~/.cache/fastscape.")
]
OWN = (
    "Or a model of your own: package.module:name or path/to/file.py:name, a function without arguments that returns "
    "it; its module is imported, which runs your code."
)
Checkpoint = Annotated[Path, typer.Argument(help=f"A checkpoint that `fastscape train` wrote. {OWN}")]
Checkpoints = Annotated[
    list[Path],
    typer.Argument(
        help=f"Checkpoints that `fastscape train` wrote, or a pattern; several share directions and scale. {OWN}"
    ),
]
SurfaceOut = Annotated[
    Path | None,
    typer.Option(
        help="The landscape to write, or the folder of several, as --store is then. Default: landscape.npz, or "
        "landscapes."
    ),
]
Out = Annotated[Path, typer.Option(help="The landscape to write; pictures go beside it.")]
Samples = Annotated[
    int | None,
    typer.Option(
        help="Samples of the checkpoint's data set, from its first. Default: 64; all with --target-standard-error. "
        "With --data leave it out: all are taken."
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="Part of the data set: train or test; or train,test for both on one grid, the first as the loss. "
        "Default: train."
    ),
]
Reach = Annotated[
    str | None,
    typer.Option(
        help="Range of the axes that are not given: a number r, from -r to r; or auto, up to where the loss is ten "
        "times that at the centre. Default: 1."
    ),
]
Points = Annotated[int | None, typer.Option(help="Grid points of the axes that are not given. Default: 51.")]
Pictures = Annotated[bool, typer.Option(help="Whether to draw the landscape too.")]
Live = Annotated[bool, typer.Option("--live", help="Show the surface after every round of --tolerance.")]


def reaching(reach: str | None, count: int) -> tuple[Any, ...]:
    """An axis of so many points that goes as far as `--reach` says.

    Args:
        reach: What came: a number, "auto" or nothing.
        count: Grid points.

    Returns:
        What an option such as `x` takes.

    Raises:
        ValueError: When it is something else, or one point is to reach as far as the loss says.
    """
    if reach == "auto":
        if count < 2:
            raise ValueError(f"--points {count} came with --reach auto; wanted at least 2, for example --points 51")
        return "auto", count
    try:
        end = 1.0 if reach is None else float(reach)
    except ValueError:
        end = 0.0
    if not 0 < end < math.inf:
        raise ValueError(f"--reach {reach} came; wanted auto, or a number above 0, for example --reach 0.5")
    return -end, end, count


def offering(*kinds: Any) -> Callable[[F], F]:
    """Gives a command that takes `**options` those of the library that a command line can express.

    Args:
        *kinds: The TypedDicts of the options; of two with one name the first one is offered.

    Returns:
        A decorator. The command gets None for what was not written.
    """
    known: dict[str, Option] = {}
    for kind in kinds:
        for name, (_, option) in options_of(kind).items():
            known.setdefault(name, option)

    def change(command: F) -> F:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(option))
            for name, option in known.items()
            if option.command is not None
        ]
        command.__signature__ = signature.replace(parameters=[*own, *taken])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *taken)}
        return command

    return change


def _annotation(option: Option) -> Any:
    """The type of an option on the command line, with its help."""
    said = option.brief.replace('"', "")
    return Annotated[option.command | None, typer.Option(help=said, rich_help_panel=option.group)]
