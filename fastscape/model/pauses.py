"""Places between two evaluations, where nothing is half done: what has to wait for such a place is called there."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["at_rest", "when_at_rest"]

_waiting: Callable[[], None] | None = None


def at_rest() -> None:
    """Says that nothing is half done here; what waits for that is called, and may raise."""
    if _waiting is not None:
        _waiting()


def when_at_rest(call: Callable[[], None] | None) -> None:
    """Has something called at the next place, and at all after it until it is taken back.

    Args:
        call: What is called; None takes it back.
    """
    global _waiting
    _waiting = call
