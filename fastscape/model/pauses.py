"""Points between two evaluations at which nothing is half done, and functions that wait for such a point."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["at_rest", "when_at_rest"]

_waiting: Callable[[], None] | None = None


def at_rest() -> None:
    """Declares that nothing is half done here. Calls the waiting function, which may raise."""
    if _waiting is not None:
        _waiting()


def when_at_rest(call: Callable[[], None] | None) -> None:
    """Has a function called at the next such point, and at every later one until it is taken back.

    Args:
        call: The function; None takes it back.
    """
    global _waiting
    _waiting = call
