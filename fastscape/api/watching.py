"""What shows a landscape while it is still being computed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastscape.landscape import Landscape
from fastscape.results import Values
from fastscape.views import shown_by

__all__ = ["watched"]


def watched(given: Any) -> Callable[[Values], Any] | None:
    """What the option `progress` asks for, which becomes whether there is a bar.

    Args:
        given: The options that the user gave. `progress` is changed in it.

    Returns:
        What gets a landscape after every round; None where nothing does.
    """
    if "progress" not in given:
        return None
    given["progress"], watch = shown_by(given["progress"])
    return None if watch is None else lambda values: watch(Landscape.of(values))
