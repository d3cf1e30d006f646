"""Prints facts as tables, and runs the command line with short error messages."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import typer

__all__ = ["run", "table"]

NAMES = 20  # characters for a name and its indent
LISTED = 12  # entries of a list


def table(facts: Mapping[str, Any], indent: str = "") -> None:
    """Prints names and values, one per line; parts of a value are indented below its name.

    Args:
        facts: Values by name.
        indent: In front of every line. Default: nothing.
    """
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            typer.echo(f"{indent}{name}")
            table(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            typer.echo(f"{indent}{name}")
            for entry in value:
                typer.echo(f"{indent}  {_joined([f'{key} {part}' for key, part in entry.items()], len(entry))}")
        else:
            shown = _joined([str(entry) for entry in value], LISTED) if isinstance(value, list) else value
            shown = "-" if shown is None or shown in ("", {}) else shown
            typer.echo(f"{indent}{f'{name} ':<{NAMES - len(indent)}}{shown}")


def _joined(entries: list[str], most: int) -> str:
    more = f", and {len(entries) - most} more" if len(entries) > most else ""
    return ", ".join(entries[:most]) + more


def run(command: Callable[[], Any], *, debug: Callable[[], bool]) -> None:
    """Runs a command line; every error ends with one message and exit code 2.

    Args:
        command: The command line.
        debug: Returns whether to show the traceback.
    """
    try:
        command()
    except Exception as error:
        if debug():
            traceback.print_exc()
        expected = isinstance(error, ValueError | TypeError | OSError | ImportError)
        typer.echo(f"fastscape: {'' if expected else f'{type(error).__name__}: '}{error}", err=True)
        if not expected and not debug():
            typer.echo("fastscape: write fastscape --debug ... to see where the error is", err=True)
        sys.exit(2)
