"""The options of commands: options of the commands themselves, and options taken from the library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

import typer

from fastscape.cli.option_texts import GRID, INPUT, OUTPUT, RUNNING, Shown, shown
from fastscape.cli.values import a_folder, a_reach, at_least, checked_device, ending_in, one_of, parts_of_data
from fastscape.results import Option, options_of
from fastscape.zoo import models

__all__ = [
    "MODELS",
    "OWN",
    "AllSamples",
    "Checkpoint",
    "Checkpoints",
    "Device",
    "FewSamples",
    "Live",
    "Models",
    "Out",
    "Pictures",
    "Points",
    "Reach",
    "Root",
    "Samples",
    "Seed",
    "SeveralOut",
    "Split",
    "SurfaceOut",
    "choice",
    "offering",
    "reaching",
]

F = TypeVar("F", bound=Callable[..., Any])

MODELS = f"Network: {', '.join(models.MODELS)}, or a ResNet of another depth 6n+2."
OWN = "Or your own model, package.module:name or path/to/file.py:name, with --data: importing it runs your code."


def choice(option: str, choices: Sequence[str], panel: str, text: str) -> Any:
    """An option with a fixed list of choices.

    Args:
        option: The option as written, for example "--kind".
        choices: The allowed values.
        panel: The panel of the help.
        text: The help text.

    Returns:
        The option, which refuses all values that are not choices.
    """
    return typer.Option(
        help=text, metavar=f"[{'|'.join(choices)}]", rich_help_panel=panel, callback=one_of(option, choices)
    )


def _samples(default: str) -> Any:
    text = f"First samples of the data set. {default}"
    return typer.Option(help=text, rich_help_panel=INPUT, callback=at_least("--samples", 1))


Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", rich_help_panel=RUNNING)]
Device = Annotated[
    str | None,
    typer.Option(
        help="Device, for example cuda. Default: cpu.", rich_help_panel=RUNNING, callback=checked_device("--device")
    ),
]
Root = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the data sets. Default: FASTSCAPE_DATA or ~/.cache/fastscape.",
        rich_help_panel=INPUT,
        callback=a_folder("--root"),
    ),
]
Checkpoint = Annotated[
    Path, typer.Argument(metavar="MODEL", help=f"Checkpoint from `fastscape train`. {OWN}", rich_help_panel=INPUT)
]
Checkpoints = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL",
        help=f"Checkpoints from `fastscape train`, or a pattern. Several share directions and scale. {OWN}",
        rich_help_panel=INPUT,
    ),
]
Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="MODEL",
        help=f"Checkpoints from `fastscape train`; several are compared. {OWN}",
        rich_help_panel=INPUT,
    ),
]
SeveralOut = Annotated[
    Path | None,
    typer.Option(
        help="File to write (.json), or folder for several. Default: the name of the command.",
        rich_help_panel=OUTPUT,
    ),
]
SurfaceOut = Annotated[
    Path | None,
    typer.Option(
        help="Landscape to write, or folder for several. Default: landscape.npz, or landscapes.",
        rich_help_panel=OUTPUT,
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        help="Landscape to write; pictures are written beside it.",
        rich_help_panel=OUTPUT,
        callback=ending_in("--out", ".npz"),
    ),
]
Samples = Annotated[int | None, _samples("Default: 64, or all with --target-standard-error.")]
FewSamples = Annotated[int | None, _samples("Default: 64.")]
AllSamples = Annotated[int | None, _samples("Default: all.")]
Split = Annotated[
    str | None,
    typer.Option(
        help="Part of the data set: train (default) or test; train,test for both, the first as the loss.",
        rich_help_panel=INPUT,
        callback=parts_of_data("--split"),
    ),
]
Reach = Annotated[
    str | None,
    typer.Option(
        help="Range of axes not given: r for -r to r, or auto for up to ten times the loss at the centre. Default: 1.",
        rich_help_panel=GRID,
        metavar="R",
        callback=a_reach("--reach"),
    ),
]
Points = Annotated[
    int | None,
    typer.Option(
        help="Grid points of axes not given. Default: 51.", rich_help_panel=GRID, callback=at_least("--points", 1)
    ),
]
Pictures = Annotated[bool, typer.Option(help="Skip the pictures.", rich_help_panel=OUTPUT)]
Live = Annotated[
    bool,
    typer.Option("--live", help="Show the surface after every round of --tolerance.", rich_help_panel=OUTPUT),
]


def reaching(reach: str | None, count: int) -> tuple[Any, ...]:
    """An axis with the range of `--reach`.

    Args:
        reach: The value of `--reach`: a number, "auto" or None.
        count: Number of grid points.

    Returns:
        The axis in the form that an option such as `x` takes.

    Raises:
        ValueError: When an automatic range is asked for a single point.
    """
    if reach == "auto":
        if count < 2:
            raise ValueError(
                f"--points must be at least 2 with --reach auto, got {count}; write for example --points 51"
            )
        return "auto", count
    end = 1.0 if reach is None else float(reach)
    return -end, end, count


def offering(*kinds: Any) -> Callable[[F], F]:
    """Adds to a command with `**options` the options of the library that a command line can express.

    Args:
        *kinds: The TypedDicts of the options; if two options have the same name, the first is used.

    Returns:
        A decorator. The command gets None for options not given, and True for switches that are on.
    """
    known: dict[str, tuple[Any, Option]] = {}
    for kind in kinds:
        for name, (_, option) in options_of(kind).items():
            known.setdefault(name, (kind, option))

    def change(command: F) -> F:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=True if option.command is bool and option.default is True else None,
                annotation=_annotation(kind, name),
            )
            for name, (kind, option) in known.items()
            if option.command is not None
        ]
        command.__signature__ = signature.replace(parameters=[*own, *taken])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *taken)}
        return command

    return change


def _annotation(kind: Any, name: str) -> Any:
    """The type of an option on the command line, with its help and the check of its value."""
    option = options_of(kind)[name][1]
    how = shown(kind, name) or Shown(option.group or RUNNING, option.brief.replace('"', ""))
    written = f"--{name.replace('_', '-')}"
    names = []
    if option.command is bool:
        names = [written if option.default is False else f"{written}/--no-{written[2:]}"]
    made: dict[str, Any] = {"help": how.text, "rich_help_panel": how.panel}
    several = get_origin(option.command) is list
    if how.choices:
        made |= {"metavar": f"[{'|'.join(how.choices)}]", "callback": one_of(written, how.choices, several=several)}
    elif get_origin(option.command) is tuple:
        made["metavar"] = "START STOP COUNT"
    elif option.command is Path and name == "store":
        made["callback"] = a_folder(written)
    elif option.command is str and name == "device":
        made["callback"] = checked_device(written)
    return Annotated[option.command | None, typer.Option(*names, **made)]
