"""Protects everything around the evaluation of a user's model: turns of threads, signals, and global state."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from fastscape.model import GlobalState, Lent
from fastscape.runs.request import Request
from fastscape.runs.signals import Kept, put_back_after
from fastscape.runs.turns import in_turn

__all__ = ["guarded"]

T = TypeVar("T")


def guarded(request: Request, run: Callable[[], T]) -> T:
    """Runs a function in turn with other threads, and restores global state and a lent model.

    Args:
        request: The request.
        run: The function.

    Returns:
        Its result.
    """
    takes: list[Callable[[], Kept]] = [partial(GlobalState, request.place.device)]
    takes += [partial(Lent, request.model, request.place.lent)] if request.place.lent else []
    return in_turn(partial(put_back_after, takes, run))
