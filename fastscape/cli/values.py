"""Checks of the values of options, before any file is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from fastscape.results import clipped

__all__ = [
    "a_folder",
    "a_reach",
    "a_size",
    "above_zero",
    "at_least",
    "checked_device",
    "either",
    "ending_in",
    "one_of",
    "parts_of_data",
]

Check = Callable[[Any], Any]

SPLITS = "train", "test"


def either(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    Args:
        names: The names.

    Returns:
        For example "a, b or c".

    Example:
        >>> from fastscape.cli.values import either
        >>> either(["a", "b", "c"]), either(["a"])
        ('a, b or c', 'a')
    """
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def one_of(option: str, choices: Iterable[str], *, several: bool = False) -> Check:
    """Refuses values that are not choices.

    Args:
        option: The option as written, for example "--kind".
        choices: The allowed values.
        several: Whether the option is repeated. Default False.

    Returns:
        The check, for `typer.Option(callback=...)`.
    """
    known = list(choices)

    def check(value: Any) -> Any:
        for one in value or () if several else [value]:
            if one is not None and one not in known:
                raise ValueError(f"{option} must be {either(known)}, got {clipped(one)}")
        return [] if several and value is None else value  # typer 0.16 counts what it got

    return check


def at_least(option: str, least: int) -> Check:
    """Refuses whole numbers below the least.

    Args:
        option: The option as written.
        least: The smallest allowed value.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        if value is not None and value < least:
            raise ValueError(f"{option} must be at least {least}, got {value}")
        return value

    return check


def above_zero(option: str) -> Check:
    """Refuses numbers that are not finite and above 0.

    Args:
        option: The option as written.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{option} must be a number above 0, got {value}")
        return value

    return check


def ending_in(option: str, *endings: str) -> Check:
    """Refuses file names with other endings.

    Args:
        option: The option as written.
        *endings: The allowed endings.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        if value is not None and value.suffix.lower() not in endings:
            raise ValueError(f"{option} must end in {either(endings)}, got {clipped(value)}")
        return value

    return check


def a_folder(option: str) -> Check:
    """Refuses existing files that are not folders.

    Args:
        option: The option as written.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        if value is not None and Path(value).exists() and not Path(value).is_dir():
            raise ValueError(f"{option} must be a folder, got the file {clipped(value)}")
        return value

    return check


def parts_of_data(option: str) -> Check:
    """Refuses parts that no data set has.

    Args:
        option: The option as written.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        names = [] if value is None else [name.strip() for name in value.split(",")]
        if any(name not in SPLITS for name in names) or len(set(names)) < len(names):
            raise ValueError(f"{option} must be train, test or train,test, got {clipped(value)}")
        return value

    return check


def a_size(option: str) -> Check:
    """Reads the size of a picture.

    Args:
        option: How it is written.

    Returns:
        The check, which gives "column", "slide", or width and height in inches.
    """

    def check(value: Any) -> Any:
        if value is None or value in ("column", "slide"):
            return value
        try:
            width, height = (float(length) for length in value.lower().split("x"))
        except ValueError:
            width = height = 0.0
        if not (0 < width < 100 and 0 < height < 100):
            raise ValueError(
                f"{option} must be column, slide or the width and height in inches, got {clipped(value)}; write for "
                f"example {option} 5x4"
            )
        return width, height

    return check


def a_reach(option: str) -> Check:
    """Refuses values that are neither auto nor a number above 0.

    Args:
        option: The option as written.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        try:
            good = value in (None, "auto") or 0 < float(value) < math.inf
        except ValueError:
            good = False
        if not good:
            raise ValueError(f"{option} must be auto or a number above 0, got {clipped(value)}; write for example 0.5")
        return value

    return check


def checked_device(option: str, *, trains: bool = False) -> Check:
    """Refuses devices that torch does not know, or that this machine does not have.

    Args:
        option: The option as written.
        trains: Whether the device is for training, which runs on every device of torch. Default False.

    Returns:
        The check.
    """

    def check(value: Any) -> Any:
        if value is None:
            return value
        try:
            kind = torch.device(value).type
        except RuntimeError:
            kind = ""
        if not kind or not (trains or kind in ("cpu", "cuda")):
            raise ValueError(f"{option} must be cpu or cuda, got {clipped(value)}")
        if kind == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"{option} must be cpu here, got {clipped(value)}: torch finds no GPU")
        return value

    return check
