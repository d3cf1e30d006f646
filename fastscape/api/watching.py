"""Reads the option `progress`, which may show a landscape while it is being computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastscape.landscape import Landscape
from fastscape.results import Values
from fastscape.views import shown_by

__all__ = ["watched"]


def watched(given: Any) -> Callable[[Values], Any] | None:
    """The function that the option `progress` asks for; the option itself becomes True or False, for the bar.

    Args:
        given: The options that the user gave. `progress` is changed in it.

    Returns:
        A function that gets a landscape after every round; None if there is no such function.
    """
    if "progress" not in given:
        return None
    given["progress"], watch = shown_by(given["progress"])
    return None if watch is None else lambda values: watch(Landscape.of(values))
