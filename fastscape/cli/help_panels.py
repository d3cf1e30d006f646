"""The help of the command line: options in panels, with types beside names, within the width of the terminal."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from fastscape.cli.option_texts import OUTPUT, PANELS

__all__ = ["HelpCommand", "HelpGroup"]

WIDEST = 120
LEFT = 23  # columns for a name and its type
TYPES = {"int": "N", "float": "X", "text": "NAME", "path": "PATH", "str": "NAME"}


class HelpCommand(TyperCommand):
    """A command whose help has the panels of `option_texts`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help.

        Args:
            ctx: The context.
            formatter: Of click, which is not used.
        """
        console = _console()
        _begin(console, self, ctx)
        _print_parameters(console, self.get_params(ctx), ctx)
        _end(console, self)


class HelpGroup(TyperGroup):
    """The program itself: its options, and its commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help.

        Args:
            ctx: The context.
            formatter: Of click, which is not used.
        """
        console = _console()
        _begin(console, self, ctx)
        _print_parameters(console, self.get_params(ctx), ctx)
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                title = getattr(command, "rich_help_panel", None) or "Commands"
                panels.setdefault(title, []).append((name, _in_one_line(command.help)))
        left = max(len(name) for rows in panels.values() for name, _ in rows) + 2
        for title, rows in panels.items():
            _print_panel(console, title, rows, left)
        _end(console, self)


def _console() -> Console:
    console = Console(highlight=False)
    console.width = min(console.width, WIDEST)
    return console


def _begin(console: Console, command: Any, ctx: Any) -> None:
    """Prints the usage and the description of the command."""
    console.print(Padding(Text(" ".join(command.get_usage(ctx).split()), style="bold"), (0, 1)))
    if command.help:
        console.print(Padding(_in_one_line(command.help), (0, 1), expand=False), markup=False)


def _end(console: Console, command: Any) -> None:
    for paragraph in filter(None, (command.epilog or "").split("\n\n")):
        console.print(Padding(escape(_in_one_line(paragraph)), (0, 1)))


def _in_one_line(text: str | None) -> str:
    return " ".join(inspect.cleandoc(text or "").split())


def _print_parameters(console: Console, parameters: Iterable[Any], ctx: Any) -> None:
    """Prints the panels in their order; the option for help is in the last panel."""
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        if getattr(parameter, "hidden", False):
            continue
        title = getattr(parameter, "rich_help_panel", None) or "Options"
        if parameter.name == "help" and OUTPUT in panels:
            title = OUTPUT
        panels.setdefault(title, []).append(_row(parameter, ctx))
    order = [title for title in PANELS if title in panels]
    for title in [*order, *(title for title in panels if title not in order)]:
        _print_panel(console, title, panels[title], LEFT)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _row(parameter: Any, ctx: Any) -> tuple[str, str]:
    """The left and the right part of a row: name with type, and help text with choices."""
    metavar = parameter.metavar or ""
    choices = metavar if metavar.startswith("[") else ""
    if _is_argument(parameter):
        name = metavar or parameter.name.upper()
        return name + ("..." if parameter.nargs != 1 else ""), parameter.help or ""
    names = [*parameter.opts]
    if parameter.secondary_opts:
        (off,) = parameter.secondary_opts
        both = parameter.default is None
        names = [*names, off] if both else [off] if parameter.default is True else names
    kind = "" if choices or getattr(parameter, "is_flag", False) else metavar or _type_of(parameter, ctx)
    shown = " ".join(filter(None, [", ".join(sorted(names, key=lambda name: not name.startswith("--"))), kind]))
    return shown, " ".join(filter(None, [_with_default(parameter), choices]))


def _type_of(parameter: Any, ctx: Any) -> str:
    """One word for the type; versions of typer name types differently."""
    told = getattr(parameter, "display_type", None) or parameter.make_metavar
    said = str(told(ctx)).lower()
    return next((short for name, short in TYPES.items() if name in said), said.strip("<>").upper())


def _with_default(parameter: Any) -> str:
    """The help text with the default added, if there is one and the text does not have it."""
    said, default = str(parameter.help or ""), parameter.default
    plain = isinstance(default, int | float | str) or hasattr(default, "__fspath__")
    if "Default" in said or isinstance(default, bool) or not plain:
        return said
    return f"{said} Default: {default}."


def _print_panel(console: Console, title: str, rows: Sequence[tuple[str, str]], left: int) -> None:
    width = console.width - 4
    lines = [line for row in rows for line in _lines(*row, left=left, width=width)]
    console.print(Panel(Group(*lines), title=title, title_align="left", border_style="dim"))


def _lines(name: str, said: str, *, left: int, width: int) -> Iterator[Text]:
    """The lines of one row; a name that is longer than its column has its own line."""
    wrapped = _wrapped(said, width - left) or [""]
    head = Text(name, style="bold cyan")
    if len(name) >= left:
        yield head
    else:
        yield head + Text(" " * (left - len(name)) + wrapped.pop(0))
    yield from (Text(" " * left + line) for line in wrapped)


def _wrapped(said: str, width: int) -> list[str]:
    """The lines of a text; a list of choices breaks after a bar, and begins a new line if it does not fit."""
    text, bracket, choices = said.partition("[")
    lines = textwrap.wrap(text, width, break_on_hyphens=False)
    if not bracket:
        return lines
    room = width - len(lines[-1]) - 1 if lines else width
    if lines and len(choices) + 1 <= room:
        return [*lines[:-1], f"{lines[-1]} [{choices}"]
    line, listed = "", f"[{choices}".replace("|", "| ").split()
    for part in listed:
        if line and len(line) + len(part) > width:
            lines.append(line)
            line = ""
        line += part
    return [*lines, line]
